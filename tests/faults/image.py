"""ext4 file systems in image files, mounted through loop devices, whose power can be cut.

The cut is ext4's shutdown call without a flush of its journal: what had not reached the device is gone. A loop device
over a plain file keeps all that was written to it. With a volatile cache, the image lies in a second file system that
is cut too: then the device keeps only what was flushed to it.
"""

import fcntl
import os
import struct
import subprocess

# <linux/fs.h>, <fs/ext4/ext4.h>: _IOR('X', 125, __u32)
EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class FileSystem:
    """An ext4 image and where it is mounted."""

    def __init__(self, image, mount_point):
        self.image, self.mount_point = image, mount_point

    def make(self, size_bytes, preallocate=False):
        with open(self.image, "wb") as file:
            if preallocate:
                os.posix_fallocate(file.fileno(), 0, size_bytes)
            file.truncate(size_bytes)
            os.fsync(file.fileno())
        # Nothing is left to do in the background after the mount.
        run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.image)

    def mount(self):
        os.makedirs(self.mount_point, exist_ok=True)
        run("mount", "-o", "loop", self.image, self.mount_point)

    def unmount(self):
        run("umount", self.mount_point)

    def cut(self):
        descriptor = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(descriptor)


class Disk:
    """What a process's data lies on: one file system, or one inside another for a volatile cache."""

    INNER_BYTES = 768 << 20
    OUTER_BYTES = 1 << 30

    def __init__(self, folder, volatile_cache):
        outer = FileSystem(os.path.join(folder, "image"), os.path.join(folder, "mount"))
        self._layers = [outer]
        if volatile_cache:
            inner = FileSystem(os.path.join(outer.mount_point, "inner"), os.path.join(folder, "mount-inner"))
            self._layers.append(inner)
        for layer in self._layers:
            is_inner = layer is self._layers[-1]
            layer.make(self.INNER_BYTES if is_inner else self.OUTER_BYTES, preallocate=is_inner and volatile_cache)
            layer.mount()

    @property
    def data(self):
        return os.path.join(self._layers[-1].mount_point, "data")

    def free_share(self):
        space = os.statvfs(self._layers[-1].mount_point)
        return space.f_bavail / space.f_blocks

    def cut(self):
        """The power goes: from now on nothing reaches the device."""
        self._layers[0].cut()

    def mount_again(self):
        """What the cut left: what the kernel still held of it goes with the mounts."""
        for layer in reversed(self._layers):
            layer.unmount()
        for layer in self._layers:
            layer.mount()

    def close(self):
        for layer in reversed(self._layers):
            subprocess.run(["umount", layer.mount_point], check=False, stderr=subprocess.DEVNULL)
