"""A folder as a file server with root_squash shows it: root is nobody there. root-squash.py FOLDER MOUNTPOINT; in the foreground."""
import errno, os, stat, sys

import fuse

fuse.fuse_python_api = (0, 2)
NOBODY = 65534


class RootSquash(fuse.Fuse):
    folder = ''

    def here(self, path):
        return self.folder + path

    def who(self):
        context = self.GetContext()
        return (NOBODY, NOBODY) if context['uid'] == 0 else (context['uid'], context['gid'])

    def may(self, place, wanted):
        """As the server decides: owner, group, others."""
        found = os.lstat(place)
        uid, gid = self.who()
        shift = 6 if uid == found.st_uid else 3 if gid == found.st_gid else 0
        if (found.st_mode >> shift) & wanted != wanted:
            raise OSError(errno.EACCES, place)

    def reach(self, path):
        """Every directory on the way can be passed through."""
        place = self.folder
        self.may(place, 1)
        for name in path.split('/')[1:-1]:
            place += '/' + name
            self.may(place, 1)
        return self.here(path)

    def change(self, path):
        place = self.reach(path)
        self.may(os.path.dirname(place), 3)
        return place

    def owns(self, path):
        place = self.reach(path)
        if os.lstat(place).st_uid != self.who()[0]:
            raise OSError(errno.EPERM, place)
        return place

    def given(self, place):
        os.lchown(place, *self.who())

    def getattr(self, path):
        return os.lstat(self.reach(path))

    def access(self, path, mode):
        place = self.reach(path)
        if mode:
            self.may(place, mode)

    def readlink(self, path):
        return os.readlink(self.reach(path))

    def opendir(self, path):
        self.may(self.reach(path), 4)

    def readdir(self, path, offset):
        return [fuse.Direntry(name) for name in ['.', '..', *os.listdir(self.here(path))]]

    def mkdir(self, path, mode):
        os.mkdir(self.change(path), mode)
        os.chmod(self.here(path), mode)
        self.given(self.here(path))

    def mknod(self, path, mode, device):
        os.mknod(self.change(path), mode, device)
        os.chmod(self.here(path), stat.S_IMODE(mode))
        self.given(self.here(path))

    def symlink(self, target, path):
        os.symlink(target, self.change(path))
        self.given(self.here(path))

    def unlink(self, path):
        os.unlink(self.change(path))

    def rmdir(self, path):
        os.rmdir(self.change(path))

    def rename(self, path, other):
        os.rename(self.change(path), self.change(other))

    def chmod(self, path, mode):
        os.chmod(self.owns(path), mode)

    def utimens(self, path, accessed, modified):
        self.owns(path)

    def chown(self, path, uid, gid):
        raise OSError(errno.EPERM, path)

    def truncate(self, path, size):
        place = self.reach(path)
        self.may(place, 2)
        os.truncate(place, size)

    def open(self, path, flags):
        place = self.reach(path)
        how = flags & os.O_ACCMODE
        self.may(place, 4 if how == os.O_RDONLY else 2 if how == os.O_WRONLY else 6)

    def read(self, path, size, offset):
        with open(self.here(path), 'rb') as file:
            file.seek(offset)
            return file.read(size)

    def write(self, path, data, offset):
        descriptor = os.open(self.here(path), os.O_WRONLY)
        try:
            return os.pwrite(descriptor, data, offset)
        finally:
            os.close(descriptor)


folder, mountpoint = sys.argv[1:]
os.umask(0)
server = RootSquash(dash_s_do='setsingle')
server.folder = folder
server.parse(['-f', '-s', '-o', 'allow_other,entry_timeout=0,attr_timeout=0,negative_timeout=0', mountpoint], errex=1)
server.main()
