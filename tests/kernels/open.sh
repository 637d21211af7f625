#!/bin/sh
# open ACCESS FILE [TIMES]: opens a file so often, and says how often it was let and how often it
# was denied. Any other error than EPERM comes from a driver, after the cgroup's programs.
errors="/tmp/open.$$"
exec 2>"$errors"
left="${3:-1}"
while test "$left" -gt 0; do
	case "$1" in
	r) true <"$2" ;;
	w) true >"$2" ;;
	rw) true <>"$2" ;;
	esac
	left=$((left - 1))
done
denied="$(grep -c 'Operation not permitted' "$errors")"
echo "$((${3:-1} - denied)) let, $denied denied, pid $$"
