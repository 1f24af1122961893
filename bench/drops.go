package bench

import (
	"io/fs"
	"strconv"
	"strings"
)

// Drops are the packets that a machine's kernel has dropped since its start.
type Drops struct {
	Sockets uint64 // UDP, for want of room in the receiving socket, of this network namespace
	Backlog uint64 // of any kind, before there was a socket: its queue per processor was full
}

// ReadDrops reads them; proc is /proc. What is not there counts as none.
func ReadDrops(proc fs.FS) (d Drops) {
	text, _ := fs.ReadFile(proc, "self/net/snmp")
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || fields[0] != "Udp:":
		case names == nil:
			names = fields
		default:
			for i, name := range names[:min(len(names), len(fields))] {
				if name == "RcvbufErrors" {
					d.Sockets, _ = strconv.ParseUint(fields[i], 10, 64)
				}
			}
		}
	}
	text, _ = fs.ReadFile(proc, "self/net/softnet_stat")
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 {
			dropped, _ := strconv.ParseUint(fields[1], 16, 64)
			d.Backlog += dropped
		}
	}
	return d
}
