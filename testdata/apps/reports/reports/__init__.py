"""Reports that a worker makes and a page lists."""
