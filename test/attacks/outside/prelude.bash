# Before every script here: T and W are tare and tare-wrap, BUILD has the attacks' programs, IMAGE a tree of busybox.
# The node has alice, bob and carol; each has a directory for jobs, JOB/NAME. What is told is in README's words: HELD, SURVIVED, INFO.
as() { local account=$1; shift; setpriv --reuid "$account" --regid "$account" --init-groups "$@"; }
held() { echo "HELD $*"; }
survived() { echo "SURVIVED $*"; }
# tell WHAT COMMAND…: it got through when the command succeeds
tell() { local what=$1; shift; if "$@" >/dev/null 2>&1; then survived "$what"; else held "$what"; fi; }
not() { ! "$@"; }
# the policy of the node: what is read here after its own line of schema
policy() { { echo 'schema: tare/policy/v1'; cat; } >/etc/tare/policy.yaml; }
precious() { rm -rf /root/victim; mkdir -m 700 /root/victim; for name in "$@"; do echo precious >"/root/victim/$name"; chmod 600 "/root/victim/$name"; done; }
changed() { [ "$(cat "/root/victim/$1" 2>/dev/null)" != precious ] || [ "$(stat -c %a /root/victim)" != 700 ]; }
