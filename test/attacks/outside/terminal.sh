# attack: root calls `tare run` and `tare exec` at a terminal, in boxes without a filter on system calls, and the payload types a command into root's shell
# class: CVE-2017-5226
# row: X4
# needs: terminals
cd /home/alice/job
proof=/home/alice/job/proof
printf 'schema: tare/policy/v1\nsite: {name: TEST}\nseccomp: unconfined\n' >unconfined.yaml
"$BUILD/at-terminal" 6 "$T run --policy unconfined.yaml -- $BUILD/type-command $proof" >terminal.txt 2>&1
[ "$(cat $proof 2>/dev/null)" = 0 ] && survived 'the payload of tare run typed into root’s shell' || held 'tare run at a terminal'
rm -f $proof
as bob sh -c "cd /home/bob/job; exec $T run --policy /home/alice/job/unconfined.yaml --name tty -- sleep 30" >/dev/null 2>&1 </dev/null & box=$!
for try in $(seq 100); do id=$("$T" ps --json | python3 -c 'import json,sys; print(*[b["id"] for b in json.load(sys.stdin) if b["state"] == "running"])'); [ -n "$id" ] && break; sleep 0.2; done
proof=/home/bob/job/proof
"$BUILD/at-terminal" 6 "$T exec $id -- $BUILD/type-command $proof" >terminal.txt 2>&1
[ "$(cat $proof 2>/dev/null)" = 0 ] && survived 'what runs in bob’s box by tare exec typed into root’s shell' || held 'tare exec at a terminal'
"$T" kill $id >/dev/null 2>&1; wait $box
