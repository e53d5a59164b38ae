#!/bin/bash
# Stands in for the CVMFS client where that is not installed: cvmfs2 -f -o config=FILE:FILE... REPOSITORY /dev/fd/N.
# As the client does, it reads parameters, keeps a lock in its cache for as long as it serves, and logs to standard error;
# As it does for its first download, it tries the proxies of CVMFS_HTTP_PROXY group by group, CVMFS_TIMEOUT (5 s) for each, once more after a
# pause where CVMFS_MAX_RETRIES (1) says so (cvmfs/network/download.cc: SetUrlOptions, CanRetry, Backoff, SwitchProxy; the pause is up to
# CVMFS_BACKOFF_INIT, 2 s, here 1 s); CVMFS_STAND_IN/REPOSITORY.tried has one line for each try.
# What it serves is CVMFS_STAND_IN/REPOSITORY.sqfs, by squashfuse (a real FUSE file system, libfuse 3), or the directory REPOSITORY.tree,
# by a server whose extended attributes change and which can hang (cvmfs-server.py).
set -u
options=
while getopts fo: option; do [ "$option" = o ] && options=$OPTARG; done
shift $((OPTIND - 1))
IFS=: read -ra files <<<"${options#config=}"
# each in its directory, and what is set is in the environment of the next (cvmfs/options.cc, ParsePath)
set -a
# shellcheck source=/dev/null
for file in "${files[@]}"; do [ -r "$file" ] && cd "${file%/*}" && . "$file"; done
set +a
cd /
[ -z "${CVMFS_KEYS_DIR:-}" ] || [ -r "$CVMFS_KEYS_DIR/example.pub" ] || { echo "failed to load public key (2 - no public key)" >&2; exit 1; }
[ -n "${CVMFS_SERVER_URL:-}" ] || { echo "CVMFS_SERVER_URL is not set" >&2; exit 1; }
mkdir -p "$CVMFS_CACHE_BASE/$1" || exit 1
exec 9>"$CVMFS_CACHE_BASE/$1/lock.$1"
flock -n 9 || { echo "could not acquire workspace lock" >&2; exit 1; }
cache=${CVMFS_ALIEN_CACHE:-$CVMFS_CACHE_BASE/$1}
# processes of several jobs have the same number in their namespaces
fetched=$(mktemp "$cache/fetchXXXXXX") && echo "$CVMFS_QUOTA_LIMIT" >"$fetched" && mv "$fetched" "$cache/quota" || exit 1
reach() {
  local proxy try
  for proxy in ${CVMFS_HTTP_PROXY//[;|]/ }; do
    for ((try = 0; try <= ${CVMFS_MAX_RETRIES:-1}; try++)); do
      echo "$proxy" >>"$CVMFS_STAND_IN/$1.tried"
      [ "$proxy" = DIRECT ] && return
      local address=${proxy#*://}
      timeout "${CVMFS_TIMEOUT:-5}" bash -c ": <>/dev/tcp/${address%:*}/${address##*:}" 2>/dev/null && return
      sleep 1
    done
  done
  echo "failed to load root catalog of $1 (16 - file catalog failure)" >&2
  exit 1
}
[ -w "$CVMFS_STAND_IN" ] && IFS=' ' reach "$1"
if [ -e "$CVMFS_STAND_IN/$1.silent" ]; then exec sleep 1000; fi
if [ -d "$CVMFS_STAND_IN/$1.tree" ]; then cd "$CVMFS_CACHE_BASE/$1" && exec /usr/bin/python3 "${0%/*}/cvmfs-server.py" "$CVMFS_STAND_IN/$1.tree" "$2" "$CVMFS_STAND_IN/$1"; fi
[ -e "$CVMFS_STAND_IN/$1.sqfs" ] || { echo "failed to load root catalog of $1" >&2; exit 1; }
exec squashfuse -f -o ro "$CVMFS_STAND_IN/$1.sqfs" "$2"
