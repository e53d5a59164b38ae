"""Serves one directory tree by FUSE (Debian's python3-fuse), and takes its time for each open: slow-fuse.py TREE SECONDS MOUNTPOINT."""

import os
import sys
import time

import fuse

fuse.fuse_python_api = (0, 2)
TREE, SECONDS = os.path.abspath(sys.argv[1]), float(sys.argv[2])


class Slow(fuse.Fuse):
    """Read-only, one thread."""

    def getattr(self, path):
        return os.lstat(TREE + path)

    def readdir(self, path, _offset):
        time.sleep(SECONDS)
        for name in [".", ".."] + os.listdir(TREE + path):
            yield fuse.Direntry(name)

    def open(self, path, _flags):
        time.sleep(SECONDS)
        return 0

    def read(self, path, size, offset):
        with open(TREE + path, "rb") as file:
            file.seek(offset)
            return file.read(size)

    def statfs(self):
        return os.statvfs(TREE)


server = Slow(dash_s_do="setsingle")
server.parse(["-f", "-s", "-o", "allow_other,ro,attr_timeout=0,entry_timeout=0", sys.argv[3]])
server.main()
