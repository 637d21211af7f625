#!/bin/busybox sh
# The guest's first process: runs each scene, and says on the second serial port what came of it.
/bin/busybox --install -s /bin
export PATH=/bin
mkdir -p /proc /sys /dev /tmp /run /var/lib
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
chmod 700 /sys/fs/bpf
stty -F /dev/ttyS1 raw
exec </dev/null >/dev/ttyS1 2>&1
for scene in /scenes/*; do
	echo "@scene ${scene##*/}"
	mkdir "/tmp/${scene##*/}"
	(cd "/tmp/${scene##*/}" && exec sh -eu -c '. /guest.sh; . "$1"' sh "$scene")
	echo "@end $?"
done
poweroff -f
