# attack: the node's core_pattern
(sh -c 'kill -SEGV $$') 2>/dev/null
rm -f core*
(echo x >/proc/sys/kernel/core_pattern) 2>/dev/null && echo "SURVIVED core_pattern is written to" || echo "HELD core_pattern"
