# attack: an account takes hold of a process that has its rights and works for root: of root's wrapper, of its `tare exec`, of an engine
# class: CVE-2026-41163
cd /home/alice/job
install -m 4755 "$BUILD/old-engine" /usr/bin/old-engine
as alice "$BUILD/steer" 5 /usr/bin/old-engine | grep -q SURVIVED && held 'the attack works on an engine whose helper can be taken hold of' || survived 'nothing: no helper could be taken hold of, so that nothing is tried'
# as `tare doctor --attacks` does it
for program in "${T%/*}/../libexec/tare-attacks" "${T%/*}/../native/build/tare-attacks"; do [ ! -x "$program" ] || break; done
"$program" steer /usr/bin/old-engine | grep -q SURVIVED && held 'so does doctor’s' || survived 'nothing: doctor took hold of no helper'
as alice "$BUILD/steer" 2 >steered & steering=$!
"$T" run --name helped -- sleep 30 & box=$!
for try in $(seq 100); do id=$("$T" ps --json | python3 -c 'import json,sys; print(*[b["id"] for b in json.load(sys.stdin) if b["name"] == "helped" and b["state"] == "running"])'); [ -n "$id" ] && break; sleep 0.2; done
while kill -0 $steering 2>/dev/null; do
  "$T" exec "$id" -- /bin/true
  _CONDOR_WRAPPER_ERROR_FILE=$PWD/error "$W" /nothing 2>/dev/null
  "$T" run --record copy.json -- /bin/true
done
"$T" kill "$id" >/dev/null; wait $box
cat steered
