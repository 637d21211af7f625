# A container's life: the hook at createRuntime, a change of its policy, a tool that replaces what
# is on the cgroup's list, and the hook at poststop.
new_cgroup held
within "$cgroup" sleep 1000 &
until read -r pid <"$cgroup/cgroup.procs"; do :; done
cat >config.json <<'END'
{"linux": {"resources": {"devices": [{"allow": false, "access": "rwm"},
    {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "r"}]}}}
END
state() {
	printf '{"ociVersion": "1.0.2", "id": "held", "status": "%s", "pid": %s, "bundle": "%s"}' \
		"$1" "$2" "$PWD"
}
pins() {
	ls -A /sys/fs/bpf/devgate
}

state creating "$pid" >state.json
step hook devgate hook --hold require <state.json
step inspect devgate inspect --json "$cgroup"
step ls devgate ls --json
step pins pins
step hook:read verdict "$cgroup" r c 10 229
step hook:write verdict "$cgroup" w c 10 229
step check devgate check --pid "$pid" 'c 10:229 r' 'c 10:229 rw' 'c 1:3 rw'

step grant devgate grant --no-node held 'c 10:229:rw'
step grant:write verdict "$cgroup" rw c 10 229
step revoke devgate revoke --no-node held 'c 10:229:rw'
step revoke:write verdict "$cgroup" rw c 10 229

# What is on the list is another program then, which allows more; the link stays.
step replace devgate apply --hold no --stale none --cgroup "$cgroup" --config - <<'END'
{"linux": {"resources": {"devices": [{"allow": true, "access": "rwm"}]}}}
END
step replace:write verdict "$cgroup" w c 10 229

kill "$pid"
wait
rmdir "$cgroup"
state stopped 0 >state.json
step poststop devgate hook <state.json
step poststop:pins pins
step gc devgate gc
