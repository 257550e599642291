"""What goes into a machine image. Pure data: its hash is the key of the image cache."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

DEBIAN_12 = "bookworm"
DEBIAN_13 = "trixie"
RELEASES = (DEBIAN_12, DEBIAN_13)

# Both roles are in one image: the array and kvm1 share the file, and with it the page cache of the real host.
_PACKAGES = (
    # base
    "linux-image-amd64", "systemd-sysv", "udev", "dbus", "kmod", "busybox-static", "libpam-systemd", "polkitd",
    "iproute2", "iputils-ping", "procps", "util-linux", "less", "zstd", "openssh-server", "python3", "python3-apt",
    # what the collection may use on a host
    "python3-lxml", "python3-pyudev", "python3-libvirt",
    # storage of a host
    "multipath-tools", "open-iscsi", "lvm2", "thin-provisioning-tools", "dmsetup", "sg3-utils", "lsscsi", "mdadm",
    "cryptsetup-bin", "xfsprogs", "e2fsprogs", "parted", "gdisk", "fdisk", "nfs-common",
    # virtualization
    "libvirt-daemon-system", "libvirt-clients", "qemu-system-x86", "qemu-utils",
    # array
    "nfs-kernel-server", "targetcli-fb", "python3-rtslib-fb",
)  # fmt: skip

# Debian 13 cut libvirt's storage drivers into packages of their own.
_PACKAGES_OF_RELEASE = {
    DEBIAN_12: (),
    DEBIAN_13: (
        "libvirt-daemon-driver-storage-disk", "libvirt-daemon-driver-storage-iscsi",
        "libvirt-daemon-driver-storage-logical", "libvirt-daemon-driver-storage-mpath",
        "libvirt-daemon-driver-storage-scsi",
    ),
}  # fmt: skip

# Off: what costs boot time or wakes up in the middle of a test, and what only one role needs (the seed enables it).
_DISABLED = (
    "libvirt-guests.service", "libvirtd.service", "nfs-server.service", "rtslib-fb-targetctl.service", "target.service",
    "mdmonitor.service", "rpcbind.service", "rpcbind.socket",
)  # fmt: skip
_MASKED = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service",
    "fstrim.timer", "logrotate.timer", "man-db.timer", "mdcheck_start.timer", "mdcheck_continue.timer",
    "mdmonitor-oneshot.timer", "getty@tty1.service", "systemd-networkd-wait-online.service", "systemd-pstore.service",
    "systemd-tpm2-setup.service", "systemd-tpm2-setup-early.service", "nfs-blkmap.service", "networking.service",
    "keyboard-setup.service", "console-setup.service", "apparmor.service", "systemd-networkd.service",
    "systemd-networkd.socket", "modprobe@drm.service", "rpc-statd-notify.service", "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service", "systemd-tmpfiles-clean.timer", "dev-mqueue.mount",
    "systemd-journal-flush.service", "systemd-journal-catalog-update.service", "systemd-user-sessions.service",
    "systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount", "sys-fs-fuse-connections.mount",
    "sys-kernel-tracing.mount", "systemd-random-seed.service", "systemd-sysusers.service", "ldconfig.service",
    "systemd-update-done.service", "systemd-udev-load-credentials.service", "dev-hugepages.mount",
    "sys-kernel-debug.mount",
)  # fmt: skip

# The virtual machine's share of the nineties: nobody looks at it, and probing it takes seconds.
_UNWANTED_MODULES = ("ata_generic", "ata_piix", "evdev", "floppy", "i2c_piix4", "pcspkr", "psmouse", "serio_raw")

_FILES = {
    "/etc/modprobe.d/sanlab.conf": "".join(f"blacklist {name}\n" for name in _UNWANTED_MODULES),
    "/etc/fstab": "/dev/vda / ext4 noatime 0 0\n",
    "/etc/hostname": "unseeded\n",
    # A journal in memory: a hard reset leaves nothing half-written, and boots do not wait for its flush.
    "/etc/systemd/journald.conf.d/sanlab.conf": "[Journal]\nStorage=volatile\nRuntimeMaxUse=32M\n",
    # A PAM session starts a user manager, which costs seconds under emulation.
    "/etc/ssh/sshd_config.d/sanlab.conf": (
        "UsePAM no\nUseDNS no\nPasswordAuthentication no\nMaxSessions 100\nMaxStartups 100\n"
    ),
    # No second start of sshd just to read its configuration.
    "/etc/systemd/system/ssh.service.d/sanlab.conf": "[Service]\nExecStartPre=\n",
    "/etc/systemd/system.conf.d/sanlab.conf": "[Manager]\nDefaultTimeoutStopSec=20s\n",
    "/etc/systemd/system/serial-getty@ttyS0.service.d/sanlab.conf": (
        # A shell at once, past login and PAM, and only when somebody presses Enter.
        "[Service]\nExecStart=\n"
        "ExecStart=-/sbin/agetty --skip-login --login-program /bin/bash --wait-cr --noclear --keep-baud 115200"
        " %I linux\n"
    ),
}

# In place before the packages, so that dpkg leaves out what no machine of the lab reads.
_FILES_BEFORE_PACKAGES = {
    "/etc/apt/apt.conf.d/00sanlab": (
        'APT::Install-Recommends "false";\nAPT::Install-Suggests "false";\nAcquire::Languages "none";\n'
    ),
    "/etc/dpkg/dpkg.cfg.d/00sanlab": (
        "force-unsafe-io\npath-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\n"
        "path-exclude=/usr/share/locale/*\npath-exclude=/usr/share/info/*\n"
    ),
    "/usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",
}

# Removed: above all what would make two machines of one image the same machine.
_REMOVED = (
    # Started over D-Bus when something asks for it.
    "/usr/lib/systemd/system/multi-user.target.wants/systemd-logind.service",
    "/usr/lib/systemd/system/multi-user.target.wants/dbus.service",
    "/etc/ssh/ssh_host_*", "/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/iscsi/initiatorname.iscsi",
    "/usr/sbin/policy-rc.d", "/etc/resolv.conf", "/var/cache/apt/archives/*.deb", "/var/cache/apt/*.bin",
    "/var/lib/apt/lists/*", "/var/log/*.log", "/var/log/apt", "/etc/libvirt/qemu/networks/autostart/default.xml",
    "/etc/lvm/devices/*", "/etc/nvme/hostnqn", "/etc/nvme/hostid",
    # A process each at every boot, to find nothing; those for the mounts of fstab and of NFS stay.
    "/usr/lib/systemd/system-generators/systemd-[!f]*", "/usr/lib/systemd/system-generators/nfs-server-generator",
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the bytes of an image, apart from the packages' versions."""

    release: str
    packages: tuple[str, ...]
    disabled: tuple[str, ...]
    masked: tuple[str, ...]
    files_before: dict[str, str]
    files: dict[str, str]
    removed: tuple[str, ...]
    initrd_modules: tuple[str, ...]
    initrd_script: str
    disk_gib: int
    version: int = 2  # to be raised when the way of building changes

    def key(self) -> str:
        """The name of the image in the cache."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


# The seed is laid out once, on the first boot of a fresh overlay: later changes made by a test survive a reboot.
# Cards get their names and addresses here, at every boot: waiting for udev and a network daemon takes ten seconds more.
_INITRD_SCRIPT = """#!/bin/busybox sh
PATH=/bin
export PATH
bb=/bin/busybox
$bb mkdir -p /proc /sys /dev /root
$bb mount -t proc proc /proc
$bb mount -t sysfs sysfs /sys
$bb mount -t devtmpfs devtmpfs /dev
echo "sanlab: initrd" > /dev/kmsg
for module in $($bb cat /modules/order); do $bb insmod /modules/$module; done
tries=0
while [ ! -b /dev/vda ] && [ $tries -lt 200 ]; do $bb sleep 0.05; tries=$((tries + 1)); done
$bb mount -t ext4 -o rw,noatime /dev/vda /root || exec $bb sh
seed=/sys/firmware/qemu_fw_cfg/by_name/opt/sanlab/seed/raw
if [ -r $seed ] && [ ! -e /root/etc/sanlab/seeded ]; then
    $bb tar -xf $seed -C /root && echo "sanlab: seeded" > /dev/kmsg
fi
role=$($bb cat /root/etc/sanlab/role)
while read -r nic mac mtu address; do
    for found in /sys/class/net/*; do
        [ "$($bb cat $found/address)" = "$mac" ] || continue
        $bb ip link set dev ${found##*/} name $nic mtu $mtu
        [ "$address" = - ] || $bb ip address add $address dev $nic
        # The array's links stay down, and nobody logs in, until its targets and access lists stand.
        [ "$role" = array ] && [ "$nic" != mgmt ] || $bb ip link set dev $nic up
    done
done < /root/etc/sanlab/nics
for mount in proc sys dev; do $bb mount -o move /$mount /root/$mount; done
exec $bb switch_root /root /sbin/init
"""


def recipe_for(release: str) -> Recipe:
    """The recipe of one Debian release."""
    return Recipe(
        release=release,
        packages=_PACKAGES + _PACKAGES_OF_RELEASE[release],
        disabled=_DISABLED,
        masked=_MASKED,
        files_before=_FILES_BEFORE_PACKAGES,
        files=_FILES,
        removed=_REMOVED,
        initrd_modules=("virtio_pci", "virtio_blk", "crc32c_generic", "ext4", "qemu_fw_cfg", "virtio_net"),
        initrd_script=_INITRD_SCRIPT,
        disk_gib=12,
    )
