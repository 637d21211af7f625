# A container that is observed in every way while it opens devices.
id=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
new_cgroup observed
top="$cgroup"
new_cgroup "observed/$id"
container="$cgroup"
within "$container" sleep 1000 &
workload=$!
until read -r pid <"$container/cgroup.procs"; do :; done
cat >config.json <<'END'
{"linux": {"resources": {"devices": [{"allow": false, "access": "rwm"},
    {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "r"},
    {"allow": false, "type": "c", "major": 1, "minor": 9, "access": "w"}]}}}
END
state() {
	printf '{"ociVersion": "1.0.2", "id": "%s", "status": "%s", "pid": %s, "bundle": "%s"}' \
		"$id" "$1" "$2" "$PWD"
}

state creating "$pid" >state.json
step hook devgate hook --record=learnt <state.json
step inspect devgate inspect --json "$container"
step start devgate observe start --json --cgroup "$top"
devgate watch --json "$container" >watched 2>complained &
watch=$!
# It has begun when it shows a denial, and ends when it has shown a later one.
node c 250 1
until test -s watched; do
	within "$container" open w "$node" >probed
done
while read -r name access type major minor times; do
	node "$type" "$major" "$minor"
	step "open:$name" within "$container" open "$access" "$node" "$times"
done </requests
node c 250 2
within "$container" open w "$node" >probed
until grep -q '"minor":2,' watched; do :; done
step seen devgate inspect --json "$top"

# Where the kernel hides what programs call, observers are known by their name, and a container below
# them still starts.
echo 2 >/proc/sys/kernel/kptr_restrict
new_cgroup observed/other
step hidden:apply devgate apply --hold no --cgroup "$cgroup" --config config.json
step hidden:seen devgate inspect --json "$top"
rmdir "$cgroup"
echo 0 >/proc/sys/kernel/kptr_restrict

kill -INT "$watch"
wait "$watch"
step watched cat watched
step complained cat complained
step denials devgate denials --json
step status devgate observe status --json

kill "$pid"
wait "$workload" || true
rmdir "$container"
state stopped 0 >state.json
step poststop devgate hook <state.json
step recorded devgate record show learnt --format table --with-denied
step rules devgate record show learnt
step denials:ended devgate denials --json
step stop devgate observe stop
step left devgate inspect --json "$top"
rmdir "$top"
