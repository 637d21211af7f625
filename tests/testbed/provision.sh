#!/bin/sh
# Installs what the tests of real engines run: packages of the machine's own Debian and, in
# target/testbed, what that has no or only an older version of:
#   trixie/       a root file system with podman 5, crun and runc
#   containerd2/  containerd 2, alone in its folder: the runc beside it needs a newer libc
# What is there is not made again, unless this script is newer. As root.
set -eu
cd "$(dirname "$0")/../.."
readonly testbed="$PWD/target/testbed" keyring=/usr/share/keyrings/debian-archive-keyring.gpg

packages() {
	missing=
	while read -r package file; do
		test -e "$file" || missing="$missing $package"
	done <<-END
		busybox-static /bin/busybox
		containerd /usr/bin/containerd
		crun /usr/bin/crun
		debian-archive-keyring $keyring
		mmdebstrap /usr/bin/mmdebstrap
		podman /usr/bin/podman
		runc /usr/sbin/runc
		systemd /lib/systemd/systemd
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
		--include=netavark,containernetworking-plugins-,podman,crun,runc,busybox-static \
		--keyring="$keyring" --aptopt="$testbed/apt.conf" \
		--dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/info/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--customize-hook='rm "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap "$1"/etc/apt/apt.conf.d/99mmdebstrap' \
		trixie "$new" "$mirror"
	finish "$new" "$testbed/trixie"
}

containerd2() {
	is_current "$testbed/containerd2" && return
	apt="$testbed/apt-sid" new="$testbed/containerd2.new"
	rm -rf "$apt" "$new"
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$new"
	: >"$apt/status"
	echo "deb [signed-by=$keyring target=Packages] $mirror sid main" >"$apt/sources.list"
	for command in 'update -q' 'download -q containerd'; do
		(cd "$apt" && APT_CONFIG="$testbed/apt.conf" apt-get $command \
			-o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
			-o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status" \
			-o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root)
	done
	dpkg-deb --fsys-tarfile "$apt"/containerd_*.deb |
		tar -x -C "$new" --strip-components=3 --wildcards \
			./usr/bin/containerd ./usr/bin/containerd-shim-runc-v2 ./usr/bin/ctr
	rm -rf "$apt"
	finish "$new" "$testbed/containerd2"
}

packages
mkdir -p "$testbed"
exec 9>"$testbed/lock"
flock 9
if is_current "$testbed/trixie" && is_current "$testbed/containerd2"; then
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
containerd2
wait $!
