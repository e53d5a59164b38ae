# attack: programs of the node that have the setuid bit, and one of the payload's own
# patterns: [ulimit++, quotas++]
for name in su sudo mount newgrp passwd chsh; do
  path=$(command -v $name) && [ -u "$path" ] || continue
  case $(timeout 3 "$path" -c id root </dev/null 2>&1) in
    *uid=0*) echo "SURVIVED $name gave root" ;;
    *) echo "HELD $name gives nothing" ;;
  esac
done
cp /bin/sh /tmp/own && chmod 4755 /tmp/own
[ "$(/tmp/own -p -c 'id -u' 2>/dev/null)" = 0 ] && [ "$(id -u)" != 0 ] && echo "SURVIVED a setuid file of the payload's" || echo "HELD a setuid file of the payload's gains nothing"
