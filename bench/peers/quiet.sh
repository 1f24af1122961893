#!/bin/sh
# quiet.sh COMMAND...: runs it where there is no network but loopback, and so no rule of a firewall or of Docker that every packet
# would have to pass. Only root can; for others it is run as it is.
if [ "$(id -u)" = 0 ] && unshare --net true 2>/dev/null; then
	exec unshare --net sh -c 'ip link set lo up && exec "$@"' sh "$@"
fi
exec "$@"
