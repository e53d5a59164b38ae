# attack: root of a small machine is the node's root for what looks at credentials, and for control groups
# class: CVE-2020-15257
# row: X9
# needs: small machines
cd /home/alice/job
printf 'images: [/home/*]\nservices: {within: 60s}\nseccomp: pilot\n' | policy
"$BUILD/peer" tare-attack-peer >peers & peer=$!
victims=$(for h in /sys/fs/cgroup/cpuset /sys/fs/cgroup/devices; do [ -d $h ] && mkdir -p $h/tare-attack-victim && echo $h/tare-attack-victim; done)
cp "$BUILD"/peer "$BUILD"/node-groups "$IMAGE/bin/"
cat >vm.yaml <<X
schema: tare/job/v1
pattern: vm-lite
image: $IMAGE
identity: {address: host}
limits: {memory: 256MiB, processes: 100, wallTime: 60s}
services: [{name: evil, command: [/bin/sh, -c, "peer tare-attack-peer connect >/tmp/said 2>&1; node-groups >>/tmp/said 2>&1; touch /tmp/done; sleep 100"]}]
command: [/bin/sh, -c, "while ! [ -e /tmp/done ]; do sleep 0.1; done; grep -v 'abstract socket' /tmp/said"]
X
"$T" run vm.yaml
grep -qx 'uid 0' peers && survived 'a service of a small machine is uid 0 for the node’s sockets' || held "the node sees $(tr '\n' ' ' <peers)"
kill $peer
for group in $victims; do rmdir $group "${group%-victim}-made" 2>/dev/null; done
true
