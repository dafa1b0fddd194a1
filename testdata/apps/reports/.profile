# For every process, predeploy included.
export REPORTS_DATA=${REPORTS_DATA:-/app/data}
