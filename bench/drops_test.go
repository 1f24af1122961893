package bench

import (
	"testing"
	"testing/fstest"
)

func TestReadDrops(t *testing.T) {
	proc := fstest.MapFS{
		"self/net/snmp": file("Ip: Forwarding\nIp: 1\nUdp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors\n" +
			"Udp: 227 1 2 228 17 3\nUdpLite: InDatagrams RcvbufErrors\nUdpLite: 5 99\n"),
		"self/net/softnet_stat": file("00000005 0000000a 00000000\n00004fb2 00000001 00000000\n"),
	}
	if got, want := ReadDrops(proc), (Drops{Sockets: 17, Backlog: 11}); got != want {
		t.Errorf("%+v; want %+v", got, want)
	}
	if got := ReadDrops(fstest.MapFS{}); got != (Drops{}) {
		t.Errorf("%+v where there is nothing to read", got)
	}
}
