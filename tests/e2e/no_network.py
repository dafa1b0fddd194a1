"""A network namespace with nothing but loopback, for tests of machines without a network."""
import contextlib
import ctypes
import fcntl
import os
import socket
import struct

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
LIBC = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


@contextlib.contextmanager
def no_network():
    """This thread, and the processes that it starts meanwhile, are in such a namespace. Other threads stay outside."""
    with open("/proc/thread-self/ns/net") as before:
        check(LIBC.unshare(CLONE_NEWNET))
        try:
            loopback_up()
            yield
        finally:
            check(LIBC.setns(before.fileno(), CLONE_NEWNET))
