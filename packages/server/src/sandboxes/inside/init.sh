# The process 1 of a sandbox: starts the supervisor, starts it again when it has ended, and reaps what loses its parent.
# Its end is the end of everything inside. SIGTERM ends the supervisor first, and then the sandbox.
# Open files: 1 and 2 are the log on the host, 4 tells the driver that the sandbox is up, and 6 is the lock on the
# sandbox's folder, which process 1 alone keeps, so that it is free as soon as the sandbox has ended.
umask 022
trap 'stopping=yes; kill -TERM "$child" 2>/dev/null' TERM
trap : INT # which a shell takes as its end although the kernel protects process 1
echo up >&4
exec 4>&-

# The log stays below 1 MiB and what is written in a minute.
while :; do
  [ "$(stat -Lc %s /proc/1/fd/1)" -lt 1048576 ] || : >/proc/1/fd/1
  sleep 60
done 6>&- &

set -- 0.25 0.5 1 2 4 8
while [ -z "$stopping" ]; do
  began=$(date +%s)
  # In a group of its own: a tool that ends its process group must not end process 1.
  # A small young generation and code that is small rather than fast: 7 MB less while idle, and a supervisor has little to do.
  setsid /corral/node --max-semi-space-size=1 --optimize-for-size /corral/supervisor.mjs 6>&- &
  child=$!
  [ -z "$stopping" ] || kill -TERM "$child"
  # A signal that is trapped ends `wait` early.
  while kill -0 "$child" 2>/dev/null; do wait "$child"; status=$?; done
  [ -z "$stopping" ] || break
  # 41: it was fenced. Another supervisor has this sandbox, or the server has given it up; starting it again helps nobody.
  if [ "$status" -eq 41 ]; then
    echo "corral: the supervisor was fenced and is not started again" >&2
    while [ -z "$stopping" ]; do sleep 3600 6>&- & wait $!; done
    break
  fi
  [ $(($(date +%s) - began)) -lt 60 ] || set -- 0.25 0.5 1 2 4 8
  echo "corral: the supervisor ended with status $status and is started again in $1 s" >&2
  sleep "$1" 6>&- &
  wait $!
  [ $# -eq 1 ] || shift
done
