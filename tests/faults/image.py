"""ext4 file systems in image files, mounted through loop devices, whose power can be cut.

The cut is ext4's shutdown call without a flush of its journal: what had not reached the device is gone. A loop device
over a plain file keeps all that was written to it. With a volatile cache, the image lies in a second file system that
is cut too: then the device keeps only what was flushed to it.
"""

import fcntl
import os
import shutil
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

    @staticmethod
    def make(image, mount_point, size_bytes, preallocate=False):
        with open(image, "wb") as file:
            if preallocate:
                os.posix_fallocate(file.fileno(), 0, size_bytes)
            file.truncate(size_bytes)
            os.fsync(file.fileno())
        # Nothing is left to do in the background after the mount.
        run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
        return FileSystem(image, mount_point)

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
    """What the server's data lies on: one file system, or one inside another for a volatile cache."""

    INNER_BYTES = 1536 << 20
    OUTER_BYTES = 2 << 30

    def __init__(self, folder, volatile_cache):
        self.folder, self.volatile_cache = folder, volatile_cache
        self.generation = 0
        self._layers = self._at(0)
        if volatile_cache:
            outer, inner = self._layers
            FileSystem.make(outer.image, outer.mount_point, self.OUTER_BYTES)
            outer.mount()
            FileSystem.make(inner.image, inner.mount_point, self.INNER_BYTES, preallocate=True)
            inner.mount()
        else:
            FileSystem.make(self._layers[0].image, self._layers[0].mount_point, self.INNER_BYTES)
            self._layers[0].mount()

    def _at(self, generation):
        outer = os.path.join(self.folder, f"image-{generation}")
        point = os.path.join(self.folder, f"mount-{generation}")
        layers = [FileSystem(outer, point)]
        if self.volatile_cache:
            layers.append(FileSystem(os.path.join(point, "inner"), point + "-inner"))
        return layers

    @property
    def data(self):
        return os.path.join(self._layers[-1].mount_point, "data")

    def cut(self):
        """The power goes: from now on nothing reaches the device."""
        self._layers[0].cut()

    def replace_by_copy(self):
        """Unmounts what was cut and mounts a copy of the device as the cut left it."""
        for layer in reversed(self._layers):
            layer.unmount()
        old, self.generation = self._layers, self.generation + 1
        self._layers = self._at(self.generation)
        run("cp", "--sparse=always", old[0].image, self._layers[0].image)
        os.remove(old[0].image)
        for layer in self._layers:
            layer.mount()

    def close(self):
        for layer in reversed(self._layers):
            subprocess.run(["umount", layer.mount_point], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder, ignore_errors=True)
