#!/bin/sh
# Installs the real peers of callseal's end-to-end tests on a Debian 12 machine, as root.
#
#   Asterisk 16 (bullseye), Asterisk 22 and sipp 3.8 (sid), baresip 1.1 (trixie), MariaDB (bookworm): unpacked privately, nothing of them is installed
#   baresip, linphonec, sipvicious, tcpdump, dockerd, debootstrap, chromium, iptables, conntrack (bookworm): installed, without starting any daemon
#   a bare bookworm as a tar file, for the base images of the container test
#
# Everything that was downloaded stays in ${CALLSEAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/callseal}/peers, so that a
# second run takes seconds. Bullseye is frozen, but sid drifts: the packages of the first run are kept until that folder is removed.
set -eu

cache=${CALLSEAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/callseal}/peers
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
installed="baresip-core linphone-cli sipvicious tcpdump docker.io debootstrap ca-certificates chromium fonts-dejavu-core iproute2 iptables conntrack"
commands="/usr/bin/baresip /usr/bin/linphonec /usr/bin/svcrack /usr/bin/tcpdump /usr/sbin/dockerd /usr/sbin/debootstrap /usr/bin/chromium /usr/sbin/ip /usr/sbin/iptables /usr/sbin/conntrack"
stamp=$cache/stamp
version=$(sha256sum "$0" | cut -d' ' -f1)

say() { echo "peers: $*"; }
fail() { echo "peers: $*" >&2; exit 1; }

# quietly COMMAND...: its output is shown only when it fails.
quietly() {
	"$@" >"$cache/log" 2>&1 || { cat "$cache/log" >&2; return 1; }
}

# have_commands: whether all of $commands are there.
have_commands() {
	for command in $commands; do [ -x "$command" ] || return 1; done
}

# mirror: the address of the machine's own Debian archive, whatever it is; apt names it once it has lists.
mirror() {
	apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
		awk '$1 !~ /-|\// { print $2; exit }'
}

# private_apt RELEASE: an apt configuration of its own: own lists, nothing installed, one release. Signatures are checked, but not the
# age of the lists: old peers from an archived or frozen mirror are as good.
private_apt() {
	apt=$cache/$1/apt
	mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/empty"
	: >"$apt/status"
	[ -n "$(mirror)" ] || quietly apt-get update || fail "apt-get update failed"
	[ -n "$(mirror)" ] || fail "this machine's apt sources name no Debian mirror"
	echo "deb [signed-by=$keyring] $(mirror) $1 main" >"$apt/sources.list"
	cat >"$apt/apt.conf" <<-CONF
		Dir::Etc::sourcelist "$apt/sources.list";
		Dir::Etc::sourceparts "$apt/empty";
		Dir::Etc::preferencesparts "$apt/empty";
		Dir::State::lists "$apt/lists";
		Dir::State::status "$apt/status";
		Dir::Cache::archives "$apt/archives";
		Dir::Cache::pkgcache "";
		Dir::Cache::srcpkgcache "";
		APT::Sandbox::User "root";
		Acquire::Check-Valid-Until "false";
	CONF
	export APT_CONFIG="$apt/apt.conf"
}

# needed PACKAGE...: which packages the programs need at run time: themselves and libraries.
needed() {
	apt-get --simulate --no-install-recommends install "$@" | awk '
		$1 != "Inst" { next }
		$2 ~ /^(libperl|libpam|libpython|asterisk-core-sounds)/ { next }
		$2 ~ /^(asterisk|lib|zlib1g$|sip-tester$|baresip-core$|mariadb-server-core$)/ { print $2 }'
}

# unpack RELEASE PACKAGE...: the packages and their libraries into $cache/RELEASE/root.
unpack() (
	release=$1
	shift
	dir=$cache/$release
	if [ -e "$dir/unpacked" ]; then
		say "$release ($*): already unpacked"
		return
	fi
	if [ ! -e "$dir/downloaded" ]; then
		say "$release ($*): downloading"
		private_apt "$release"
		quietly apt-get update || fail "the package lists of $release cannot be had from this machine's Debian mirror"
		rm -rf "$dir/debs"
		mkdir -p "$dir/debs"
		cd "$dir/debs"
		quietly apt-get download $(needed "$@") || fail "packages of $release cannot be downloaded"
		cd /
		rm -rf "$dir/apt"
		touch "$dir/downloaded"
	fi
	say "$release ($*): unpacking"
	rm -rf "$dir/root"
	for deb in "$dir"/debs/*.deb; do
		quietly dpkg-deb --extract "$deb" "$dir/root" || fail "$deb cannot be unpacked; remove $dir and run this again"
	done
	find "$dir/root" -name 'ld-linux-x86-64.so.2' | grep -q . || fail "$release came without its own loader; is this an amd64 machine?"
	touch "$dir/unpacked"
)

# without_daemons COMMAND...: runs it while no package may start a daemon, then puts back what was there.
without_daemons() (
	policy=/usr/sbin/policy-rc.d
	saved=
	if [ -e "$policy" ]; then
		saved=$cache/policy-rc.d
		cp -p "$policy" "$saved"
	fi
	trap 'if [ -n "$saved" ]; then cp -p "$saved" "$policy"; rm -f "$saved"; else rm -f "$policy"; fi' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	"$@"
)

# install_here: $installed by the machine's own apt, with the archives kept in the cache.
install_here() (
	if have_commands; then
		say "$installed: already installed"
		return
	fi
	say "$installed: installing"
	mkdir -p "$cache/bookworm/partial"
	set -- -y --no-install-recommends -o "Dir::Cache::archives=$cache/bookworm" -o APT::Sandbox::User=root -o APT::Keep-Downloaded-Packages=true
	export DEBIAN_FRONTEND=noninteractive
	if ! without_daemons quietly apt-get "$@" install $installed; then
		say "once more after apt-get update"
		quietly apt-get update || fail "apt-get update failed"
		without_daemons quietly apt-get "$@" install $installed || fail "$installed cannot be installed; see above"
	fi
	have_commands || fail "installed, but one of $commands is missing"
)

# rootfs: a small bookworm as a tar file, from which the container test makes the base images that it cannot pull.
rootfs() (
	tar=$cache/bookworm.tar
	if [ -e "$tar" ]; then
		say "root file system: already made"
		return
	fi
	say "root file system: making"
	rm -rf "$cache/rootfs"
	quietly debootstrap --variant=minbase --include=ca-certificates bookworm "$cache/rootfs" "$(mirror)" || fail "debootstrap failed; see above"
	rm -rf "$cache"/rootfs/var/cache/apt/* "$cache"/rootfs/var/lib/apt/lists/* "$cache"/rootfs/dev/*
	tar --create --file "$tar.new" --one-file-system --directory "$cache/rootfs" .
	mv "$tar.new" "$tar"
	rm -rf "$cache/rootfs"
)

[ "$(id -u)" = 0 ] || fail "run this as root: it installs packages"
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || fail "this needs a Debian machine on amd64"
mkdir -p "$cache"
if [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$version" ] && have_commands; then
	say "all installed in $cache"
	exit 0
fi
unpack bullseye asterisk
unpack sid asterisk sip-tester
unpack trixie baresip-core
unpack bookworm mariadb-server-core
install_here
rootfs
echo "$version" >"$stamp"
rm -f "$cache/log"
say "all installed in $cache"
