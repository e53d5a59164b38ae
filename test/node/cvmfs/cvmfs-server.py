"""Serves a directory tree read-only by the kernel's FUSE protocol (linux/fuse.h, 7.31), as a client of CVMFS with a given descriptor does:
cvmfs-server.py TREE FD CONTROL. What it does besides is told by files, looked at for each request:
CONTROL.attributes  a JSON object: the extended attributes of the root, without `user.`
CONTROL.affairs     lines in its answer to "internal affairs" on ./cvmfs_io.REPOSITORY, as cvmfs/talk.cc and statistics.cc (PrintList) write them
CONTROL.hang        a read that comes is taken and never answered; it is deaf to SIGTERM then, and says so by CONTROL.hung
"""

import errno
import json
import os
import signal
import socket
import stat
import struct
import sys
import threading

TREE, FD, CONTROL = os.path.abspath(sys.argv[1]), int(sys.argv[2].rsplit("/", 1)[-1]), sys.argv[3]
HEADER = struct.Struct("=IIQQIIIHH")
ANSWER = struct.Struct("=IiQ")
LOOKUP, FORGET, GETATTR, READLINK, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 5, 14, 15, 17, 18
GETXATTR, INIT, OPENDIR, READDIR, RELEASEDIR, INTERRUPT, DESTROY, BATCH_FORGET = 22, 26, 27, 28, 29, 36, 38, 42
SILENT = (FORGET, INTERRUPT, BATCH_FORGET)
VALID_S = 1

paths = {1: TREE}
nodes = {TREE: 1}


def node_of(path):
    if path not in nodes:
        nodes[path] = len(nodes) + 1
        paths[nodes[path]] = path
    return nodes[path]


def attr(path):
    found = os.lstat(path)
    times = [int(found.st_mtime)] * 3
    return struct.pack(
        "=QQQQQQIIIIIIIIII",
        *(node_of(path), found.st_size, found.st_blocks, *times, 0, 0, 0, found.st_mode, 1, 0, 0, 0, 4096, 0),
    )


def attributes():
    with open(CONTROL + ".attributes", encoding="utf8") as file:
        return json.load(file)


def getxattr(node, body):
    (size,) = struct.unpack_from("=I", body)
    name = body[8:].rstrip(b"\0").decode()
    value = attributes().get(name.removeprefix("user.")) if node == 1 and name.startswith("user.") else None
    if value is None:
        raise OSError(errno.ENODATA, "no such attribute")
    if size == 0:
        return struct.pack("=II", len(value.encode()), 0)
    return value.encode()


def readdir(path, body):
    offset, size = struct.unpack_from("=8xQI", body)
    entries = b""
    for index, name in enumerate([".", ".."] + sorted(os.listdir(path))):
        kind = stat.S_IFMT(os.lstat(os.path.join(path, name)).st_mode) >> 12
        entry = struct.pack("=QQII", 1, index + 1, len(name.encode()), kind) + name.encode()
        entry += b"\0" * (-len(entry) % 8)
        if index < offset:
            continue
        if len(entries) + len(entry) > size:
            break
        entries += entry
    return entries


def read(path, body):
    offset, size = struct.unpack_from("=8xQI", body)
    if os.path.exists(CONTROL + ".hang"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with open(CONTROL + ".hung", "w", encoding="utf8"):
            pass
        while True:
            signal.pause()
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(size)


def answer(opcode, node, body):
    path = paths.get(node, TREE)
    if opcode == INIT:
        ahead = struct.unpack_from("=8xI", body)[0]
        return struct.pack("=IIIIHHIIHHI28x", 7, 31, ahead, 0, 12, 9, 4096, 1, 32, 0, 0)
    if opcode == LOOKUP:
        child = os.path.join(path, body.rstrip(b"\0").decode())
        found = attr(child)
        return struct.pack("=QQQQII", node_of(child), 0, VALID_S, VALID_S, 0, 0) + found
    if opcode == GETATTR:
        return struct.pack("=QII", VALID_S, 0, 0) + attr(path)
    if opcode == READLINK:
        return os.readlink(path).encode()
    if opcode in (OPEN, OPENDIR):
        return struct.pack("=QII", 0, 0, 0)
    if opcode == READ:
        return read(path, body)
    if opcode == READDIR:
        return readdir(path, body)
    if opcode == STATFS:
        return struct.pack("=QQQQQIIII24x", 1000, 0, 0, 1000, 0, 4096, 255, 4096, 0)
    if opcode == GETXATTR:
        return getxattr(node, body)
    if opcode in (RELEASE, RELEASEDIR, DESTROY):
        return b""
    raise OSError(errno.ENOSYS, "unknown")


def talk():
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("./cvmfs_io." + os.path.basename(CONTROL))
    listener.listen(1)
    while True:
        peer, _ = listener.accept()
        if peer.recv(512) == b"internal affairs" and os.path.exists(CONTROL + ".affairs"):
            with open(CONTROL + ".affairs", "rb") as file:
                peer.sendall(b"Inode Generation:\n  1\nName|Value|Description\n" + file.read())
        peer.close()


threading.Thread(target=talk, daemon=True).start()
while True:
    try:
        request = os.read(FD, 1 << 20)
    except InterruptedError:
        continue
    except OSError as error:
        # ENODEV: it was unmounted
        sys.exit(0 if error.errno == errno.ENODEV else str(error))
    _, opcode, unique, node, *_ = HEADER.unpack_from(request)
    if opcode in SILENT:
        continue
    try:
        error, data = 0, answer(opcode, node, request[HEADER.size :])
    except OSError as failure:
        error, data = -failure.errno, b""
    os.write(FD, ANSWER.pack(ANSWER.size + len(data), error, unique) + data)
