# attack: a small machine says on the bridge that it has a neighbour's address, and tries to reach the neighbour
# row: X16
# needs: bridges
printf 'images: [/home/*]\nservices: {within: 60s}\nidentity: {address: [bridge], pools: [{name: own, kind: bridge, bridge: tatt0, make: true, ranges: [10.97.0.0/24]}]}\n' | policy
cp "$BUILD/arp-spoof" "$IMAGE/bin/"
machine() { # account, service, payload
  printf 'schema: tare/job/v1\npattern: vm-lite\nimage: %s\nidentity: {address: bridge}\nlimits: {memory: 256MiB, wallTime: 90s}\nservices: [{name: s, command: [/bin/sh, -c, "%s"]}]\ncommand: [/bin/sh, -c, "%s"]\n' "$IMAGE" "$2" "$3" >/home/$1/job/n.yaml
  (cd /home/$1/job && exec "$T" run n.yaml)
}
# each waits for a file in its work directory, which it sees
machine alice 'nc -ll -p 4444 -e cat; sleep 90' 'touch up; while ! [ -e stop ]; do sleep 0.2; done' >/home/alice/job/said 2>&1 & one=$!
for try in $(seq 200); do [ -e /home/alice/job/up ] && break; sleep 0.2; done
victim=$("$T" ps --json | python3 -c 'import json,sys; print(*[b["addresses"][0] for b in json.load(sys.stdin) if b["addresses"]])')
# the node knows the neighbour
(exec 3<>/dev/tcp/$victim/4444) 2>/dev/null
mac() { ip neigh show $victim dev tatt0 | sed -n 's/.*lladdr \([^ ]*\).*/\1/p'; }
before=$(mac)
[ -n "$before" ] || echo "INFO the node has no entry of $victim: $(cat /home/alice/job/said)"
machine bob "arp-spoof $victim 10.97.0.1 >/tmp/spoof 2>&1; touch /tmp/done; sleep 90" "while ! [ -e /tmp/done ]; do sleep 0.2; done; cat /tmp/spoof; ping -c1 -W1 $victim >/dev/null 2>&1 && echo SURVIVED ping of the neighbour || echo HELD ping of the neighbour; nc -w1 $victim 4444 </dev/null && echo SURVIVED TCP to the neighbour || echo HELD TCP to the neighbour"
after=$(mac)
[ -n "$before" ] && { [ "$before" = "$after" ] && held "the node's entry of the neighbour stays $before" || survived "the node's entry of the neighbour becomes another's"; }
touch /home/alice/job/stop; wait $one
