"""What a view changed, told from its layers by other means than Tare's: LAYER LOWER DESTINATION... or LAYER - DESTINATION, one line each."""
import os, stat, sys


def opaque(path):
    for name in ('trusted.overlay.opaque', 'user.overlay.opaque'):
        try:
            if os.getxattr(path, name, follow_symlinks=False) == b'y':
                return True
        except OSError:
            pass
    return False


def walk(upper, lower, seen, top, merged, single):
    """`lower`: None where there is nothing; `merged`: whether it shows through."""
    lines = {}
    above, under = set(os.listdir(upper)), set(os.listdir(lower)) if lower else set()
    for name in above | (set() if merged else under):
        path, low, here = os.path.join(upper, name), os.path.join(lower, name) if lower else None, os.path.join(seen, name)
        there = low is not None and os.path.lexists(low)
        if name not in above:
            lines[here] = 'D'
            continue
        found = os.lstat(path)
        if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
            if there:
                lines[here] = 'D'
            continue
        both = there and os.path.isdir(low) and not os.path.islink(low)
        if not stat.S_ISDIR(found.st_mode):
            lines[here] = 'C' if there else 'A'
            continue
        shows = both and merged and not opaque(path)
        inner = walk(path, low if both else None, here, False, shows, single)
        lines.update(inner)
        old = os.lstat(low) if both else None
        same = both and merged and shows and (old.st_mode == found.st_mode or (single and old.st_uid != found.st_uid))
        direct = any(kind in 'AD' and os.path.dirname(inside) == here for inside, kind in inner.items())
        if not there:
            lines[here] = 'A'
        elif not same or direct:
            lines[here] = 'C'
    if top and lower and seen != '/' and any(kind in 'AD' and os.path.dirname(path) == seen for path, kind in lines.items()):
        lines[seen] = 'C'
    return lines


changes = {}
single = sys.argv[1] == 'user'
for i in range(2, len(sys.argv), 3):
    upper, lower, seen = sys.argv[i:i + 3]
    changes.update(walk(upper, None if lower == '-' else lower, seen, True, lower != '-', single))
for path in sorted(changes, key=lambda path: path.split('/')):
    print(changes[path], path)
