# What scenes share.

# step NAME COMMAND...: runs a command; the test finds its output and exit code by the name.
step() {
	echo "@step $1"
	shift
	# Not the serial port, which is a terminal.
	"$@" >output 2>&1 && code=0 || code=$?
	cat output
	echo "@exit $code"
}

# new_cgroup NAME: makes a cgroup; its path is $cgroup.
new_cgroup() {
	cgroup="/sys/fs/cgroup/$1"
	mkdir "$cgroup"
}

# within CGROUP COMMAND...: runs a command that is in the cgroup from its first instruction.
within() {
	sh -c 'echo 0 >"$1/cgroup.procs"; shift; exec "$@"' within "$@"
}

# node TYPE MAJOR MINOR: makes a device node, if it is not there; its path is $node.
node() {
	node="/dev/test-$1-$2-$3"
	test -e "$node" || mknod "$node" "$1" "$2" "$3"
}

# verdict CGROUP ACCESS TYPE MAJOR MINOR: asks the kernel for a process of the cgroup. ACCESS is r,
# w, rw or m.
verdict() {
	case "$2" in
	m)
		node="/dev/test-$3-$4-$5"
		rm -f "$node"
		if within "$1" mknod "$node" "$3" "$4" "$5" 2>errors; then
			echo allow
		else
			grep -q 'Operation not permitted' errors && echo deny
		fi
		;;
	*)
		node "$3" "$4" "$5"
		case "$(within "$1" open "$2" "$node")" in
		"1 let, 0 denied"*) echo allow ;;
		"0 let, 1 denied"*) echo deny ;;
		esac
		;;
	esac
}
