#!/bin/sh
# Installs what the tests of real engines run: packages of the machine's own Debian and, in
# target/testbed, what that has no or only an older version of:
#   trixie/       a root file system with podman 5, crun, runc, criu and systemd
#   containerd2/  containerd 2, alone in its folder: the runc beside it needs a newer libc
#   nri/          hook-injector, a plugin of containerd 2
#   qemu/         QEMU 10 with all of its libraries, for tests/kernels
#   kernels/NAME  the kernels of tests/kernels/kernels.txt
# What is there is not made again, unless this script is newer. As root.
set -eu
cd "$(dirname "$0")/../.."
readonly kernels="$PWD/tests/kernels/kernels.txt"
readonly testbed="$PWD/target/testbed" keyring=/usr/share/keyrings/debian-archive-keyring.gpg

packages() {
	missing=
	while read -r package file; do
		test -e "$file" || missing="$missing $package"
	done <<-END
		busybox-static /bin/busybox
		containerd /usr/bin/containerd
		crun /usr/bin/crun
		dbus /usr/bin/dbus-daemon
		debian-archive-keyring $keyring
		mmdebstrap /usr/bin/mmdebstrap
		podman /usr/bin/podman
		prometheus /usr/bin/promtool
		runc /usr/sbin/runc
		strace /usr/bin/strace
		systemd /lib/systemd/systemd
		tmux /usr/bin/tmux
	END
	# The package busybox has the same file, but needs a libc.
	if test -e /bin/busybox && ldd /bin/busybox >/dev/null 2>&1; then
		missing="$missing busybox-static"
	fi
	# For the tools of tests/kubernetes.
	python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
	test -z "$missing" || install_packages $missing
}

# Packages start their services where systemd seems to run. Downloads are apart, since name
# resolution may need what is hidden.
install_packages() {
	apt-get update -q
	apt-get install -q -y --no-install-recommends --download-only "$@"
	DEBIAN_FRONTEND=noninteractive unshare --mount --propagation private sh -ec '
		test ! -d /run/systemd || mount -t tmpfs none /run/systemd
		exec apt-get install -q -y --no-install-recommends "$@"' sh "$@"
}

# The URI of the mirror that apt has the machine's own Debian from.
mirror() {
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -n 1
}

is_current() {
	test -d "$1" && test "$1" -nt tests/testbed/provision.sh
}

is_complete() {
	for folder in trixie containerd2 nri qemu $(table | sed 's:^:kernels/:; s: .*::'); do
		is_current "$testbed/$folder" || return
	done
}

# The rows of the table of kernels: NAME SUITE METHOD.
table() {
	grep -v '^#' "$kernels"
}

# Puts a finished folder in its place.
finish() {
	rm -rf "$2"
	touch "$1"
	mv "$1" "$2"
}

trixie() {
	is_current "$testbed/trixie" && return
	new="$testbed/trixie.new"
	rm -rf "$new"
	# Whoever installs a package there later wants its documentation, so the file of dpkg's
	# options goes in the end. netavark comes first, or apt takes the CNI plugins in its place.
	unshare --mount --propagation private mmdebstrap --quiet --mode=root --variant=essential \
		--include=netavark,containernetworking-plugins-,podman,crun,runc,busybox-static,systemd,dbus,criu,libcriu2 \
		--keyring="$keyring" --aptopt="$testbed/apt.conf" \
		--dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/info/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--customize-hook='rm "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap "$1"/etc/apt/apt.conf.d/99mmdebstrap' \
		trixie "$new" "$mirror"
	finish "$new" "$testbed/trixie"
}

# Makes a folder for apt-get with the indexes of these sources, and nothing of the machine's.
make_apt() {
	folder="$1"
	shift
	rm -rf "$folder"
	mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
	: >"$folder/status"
	printf '%s\n' "$@" >"$folder/sources.list"
	apt_get_in "$folder" update
}

# What it downloads is in the folder then.
apt_get_in() {
	folder="$1"
	shift
	(cd "$folder" && APT_CONFIG="$testbed/apt.conf" apt-get -q \
		-o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::lists="$folder/lists" -o Dir::State::status="$folder/status" \
		-o Dir::Cache="$folder/cache" -o APT::Sandbox::User=root "$@")
}

containerd2() {
	is_current "$testbed/containerd2" && return
	apt="$testbed/apt-sid" new="$testbed/containerd2.new"
	rm -rf "$new"
	mkdir "$new"
	make_apt "$apt" "deb [signed-by=$keyring target=Packages] $mirror sid main"
	apt_get_in "$apt" download containerd
	dpkg-deb --fsys-tarfile "$apt"/containerd_*.deb |
		tar -x -C "$new" --strip-components=3 --wildcards \
			./usr/bin/containerd ./usr/bin/containerd-shim-runc-v2 ./usr/bin/ctr
	rm -rf "$apt"
	finish "$new" "$testbed/containerd2"
}

# What the plugin imports is packaged, but of the plugin itself there is only the source.
nri() {
	is_current "$testbed/nri" && return
	apt="$testbed/apt-trixie" new="$testbed/nri.new"
	rm -rf "$new"
	mkdir "$new"
	make_apt "$apt" "deb [signed-by=$keyring target=Packages] $mirror trixie main" \
		"deb-src [signed-by=$keyring target=Sources] $mirror trixie main"
	apt_get_in "$apt" source --download-only --tar-only golang-github-containerd-nri
	tar -x -f "$apt"/golang-github-containerd-nri_*.tar.* -C "$apt" --strip-components=3 \
		--wildcards '*/plugins/hook-injector/hook-injector.go'
	# Not all that these depend on, which is five times as much.
	apt_get_in "$apt" download golang-1.24-go golang-1.24-src \
		golang-github-containerd-nri-dev golang-github-containerd-ttrpc-dev \
		golang-github-containers-common-dev golang-github-containers-storage-dev \
		golang-github-fsnotify-fsnotify-dev golang-github-gogo-protobuf-dev \
		golang-github-golang-protobuf-1-5-dev golang-github-kubernetes-cri-api-dev \
		golang-github-opencontainers-specs-dev golang-github-sirupsen-logrus-dev \
		golang-golang-x-net-dev golang-golang-x-sys-dev golang-golang-x-text-dev \
		golang-google-genproto-dev golang-google-grpc-dev golang-google-protobuf-dev \
		golang-k8s-sigs-yaml-dev
	for package in "$apt"/*.deb; do
		dpkg-deb -x "$package" "$apt/root"
	done
	# Unoptimized code is sooner made.
	env -i PATH="$PATH" GOENV=off GO111MODULE=off CGO_ENABLED=0 GOCACHE="$apt/cache/go" \
		GOPATH="$apt/root/usr/share/gocode" "$apt/root/usr/lib/go-1.24/bin/go" build \
		-gcflags=all='-N -l' -o "$new/hook-injector" "$apt/hook-injector.go"
	rm -rf "$apt"
	finish "$new" "$testbed/nri"
}

# Debian 12's QEMU is older, and its packages may take the place of others.
qemu() {
	is_current "$testbed/qemu" && return
	apt="$testbed/apt-qemu" new="$testbed/qemu.new"
	rm -rf "$new"
	mkdir "$new"
	make_apt "$apt" "deb [signed-by=$keyring target=Packages] $mirror trixie main"
	apt_get_in "$apt" install --download-only --yes qemu-system-x86
	for package in "$apt"/cache/archives/*.deb; do
		dpkg-deb -x "$package" "$new"
	done
	rm -rf "$apt"
	finish "$new" "$testbed/qemu"
}

# NAME SUITE: the kernel of that suite's cloud images.
kernel() {
	is_current "$testbed/kernels/$1" && return
	apt="$testbed/apt-$2" new="$testbed/kernels/$1.new"
	rm -rf "$new"
	mkdir -p "$new"
	make_apt "$apt" "deb [signed-by=$keyring target=Packages] $mirror $2 main"
	package="$(apt_get_in "$apt" install --simulate linux-image-cloud-amd64 |
		sed -n 's/^Inst \(linux-image-[0-9][^ ]*\) .*/\1/p')"
	apt_get_in "$apt" download "$package"
	dpkg-deb --fsys-tarfile "$apt/$package"_*.deb |
		tar -x -C "$new" --strip-components=2 --wildcards './boot/vmlinuz-*'
	mv "$new"/vmlinuz-* "$new/vmlinuz"
	rm -rf "$apt"
	finish "$new" "$testbed/kernels/$1"
}

packages
mkdir -p "$testbed"
exec 9>"$testbed/lock"
flock 9
if is_complete; then
	exit
fi
test -n "$(mirror)" || apt-get update -q
readonly mirror="$(mirror)"
# The machine's own proxies and the like. A mirror may be one of the past.
{
	apt-config dump Acquire
	echo 'Acquire::Check-Valid-Until "false"; Acquire::Languages "none"; APT::Install-Recommends "false";'
} >"$testbed/apt.conf"
trixie &
trixie=$!
containerd2
nri
qemu
table | while read -r name suite _; do
	kernel "$name" "$suite"
done
wait "$trixie"
