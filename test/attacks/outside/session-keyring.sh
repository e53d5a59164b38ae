# attack: the payload reads root's session keyring, and writes to it
# row: X8
cd /home/alice/job
"$BUILD/session-key" "$T" run -- "$BUILD/session-key" 2>/dev/null
