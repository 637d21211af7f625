step release uname -r
step demo devgate demo
step doctor devgate doctor kernel cgroup
