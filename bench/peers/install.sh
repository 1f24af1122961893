#!/bin/sh
# Installs what callseal is measured against, on a Debian 12 machine, as root: rtpengine and Kamailio, Debian's own packages. No daemon
# is started: the bench starts and ends them by itself, on loopback.
set -eu

installed="rtpengine-daemon kamailio kamailio-tls-modules"
commands="/usr/bin/rtpengine /usr/sbin/kamailio"

say() { echo "bench peers: $*"; }
fail() { echo "bench peers: $*" >&2; exit 1; }

# quietly COMMAND...: its output is shown only when it fails.
quietly() {
	log=$(mktemp)
	"$@" >"$log" 2>&1 || { cat "$log" >&2; rm -f "$log"; return 1; }
	rm -f "$log"
}

# have_all: whether all of $commands and Kamailio's TLS module are there.
have_all() {
	for command in $commands; do [ -x "$command" ] || return 1; done
	[ -e "/usr/lib/$(uname -m)-linux-gnu/kamailio/modules/tls.so" ]
}

# without_daemons COMMAND...: runs it while no package may start a daemon, then puts back what was there.
without_daemons() (
	policy=/usr/sbin/policy-rc.d
	saved=
	if [ -e "$policy" ]; then
		saved=$(mktemp)
		cp -p "$policy" "$saved"
	fi
	trap 'if [ -n "$saved" ]; then cp -p "$saved" "$policy"; rm -f "$saved"; else rm -f "$policy"; fi' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	"$@"
)

if have_all; then
	say "$installed: already installed"
	exit 0
fi
[ "$(id -u)" = 0 ] || fail "run this as root: it installs packages"
command -v apt-get >/dev/null || fail "this needs a Debian machine"
export DEBIAN_FRONTEND=noninteractive
say "$installed: installing"
if ! without_daemons quietly apt-get -y --no-install-recommends install $installed; then
	say "once more after apt-get update"
	quietly apt-get update || fail "apt-get update failed"
	without_daemons quietly apt-get -y --no-install-recommends install $installed || fail "they cannot be installed; see above"
fi
have_all || fail "installed, but one of $commands or Kamailio's tls.so is missing"
say "$installed: installed"
