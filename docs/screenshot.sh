#!/bin/sh
# Makes docs/watch.svg: what `devgate watch` shows of three containers of podman, in a real terminal
# (tmux). As root, with podman, runc, tmux, busybox-static and python3-rich.
#   docs/screenshot.sh [DEVGATE]
# Containers, cgroups, pins and records are its own, and are gone when it ends.
set -eu
cd "$(dirname "$0")/.."
devgate=$(readlink -e "${1:-target/release/devgate}")
if [ "${DEVGATE_SCREENSHOT-}" != inside ]; then
	exec env DEVGATE_SCREENSHOT=inside unshare --mount --propagation private "$0" "$devgate"
fi

# podman needs cgroup2 here, and nothing of the host's devgate must be touched.
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mkdir -p /run/devgate
mount -t tmpfs -o mode=700 tmpfs /run/devgate

dir=$(mktemp -d) name=devgate-screenshot-$$
terminal() { LC_ALL=C.UTF-8 tmux -L "$name" "$@"; }
clean() {
	terminal kill-server 2>/dev/null || true
	podman rm --all --force --time 0 >/dev/null 2>&1 || true
	find "/sys/fs/cgroup/$name" -depth -type d -exec rmdir {} \; 2>/dev/null || true
	rm -rf "$dir"
}
trap clean EXIT
trap 'exit 1' INT TERM

cat >"$dir/containers.conf" <<-END
	[containers]
	default_ulimits = ["nofile=1024:20000", "nproc=1024:4096"]
	pids_limit = 0
	netns = "none"
	log_driver = "k8s-file"
	[engine]
	cgroup_manager = "cgroupfs"
	events_logger = "file"
	lock_type = "file"
	runtime = "runc"
END
podman() {
	CONTAINERS_CONF="$dir/containers.conf" command podman --root "$dir/storage" --runroot "$dir/run" \
		--tmpdir "$dir/tmp" --storage-driver vfs --hooks-dir "$dir/hooks" "$@"
}
for folder in bin dev etc proc run sys tmp; do mkdir -p "$dir/rootfs/$folder"; done
cp /bin/busybox "$dir/rootfs/bin"
for applet in sh sleep mknod cat dd; do ln -s busybox "$dir/rootfs/bin/$applet"; done
tar -C "$dir/rootfs" -c . | podman import --quiet - localhost/busybox >/dev/null
# The folder's place is /tmp, so that others might change it: hence --force.
"$devgate" install podman --force --binary "$devgate" --hooks-dir "$dir/hooks" >/dev/null

# container NAME SCRIPT [OPTION...]
container() {
	container=$1 script=$2
	shift 2
	podman run --detach --name "$container" --cap-add mknod --env PATH=/bin \
		--cgroup-parent "/$name" "$@" localhost/busybox sh -c "$script" >/dev/null
}

mkdir "/sys/fs/cgroup/$name"
terminal -f /dev/null new-session -d -x 150 -y 16 "$devgate watch /sys/fs/cgroup/$name"
until terminal capture-pane -p | grep -q 'q quit'; do sleep 0.1; done
container web 'mknod /dev/fuse2 c 10 229; sleep 1; cat < /dev/fuse2; : <> /dev/fuse2; exec sleep 60' \
	--device-cgroup-rule 'c 10:229 r'
container backup 'mknod /dev/sda b 8 0; mknod /dev/log c 1 11; sleep 1
	for i in 1 2 3 4 5 6; do dd if=/dev/sda; done; cat /dev/log; exec sleep 60'
container miner 'mknod /dev/vm c 10 232; sleep 1
	i=0; while [ $i -lt 250 ]; do : <> /dev/vm; i=$((i+1)); done; exec sleep 60'
until terminal capture-pane -p | grep -q ' 250 '; do sleep 0.1; done
terminal send-keys n Down
sleep 1
terminal capture-pane -e -p >"$dir/screen"
terminal send-keys q

/usr/bin/python3 - "$dir/screen" docs/watch.svg <<-END
	import io, re, sys
	from rich.console import Console
	from rich.text import Text
	console = Console(record=True, width=150, file=io.StringIO(), force_terminal=True)
	console.print(Text.from_ansi(open(sys.argv[1]).read().rstrip("\n")))
	svg = console.export_svg(title="devgate watch")
	# Fonts from elsewhere are not loaded, and its ids change with every picture.
	svg = re.sub(r"@font-face\s*{[^}]*}", "", svg)
	svg = re.sub(r"terminal-\d+", "terminal", svg)
	open(sys.argv[2], "w").write(svg)
END
echo "docs/watch.svg"
