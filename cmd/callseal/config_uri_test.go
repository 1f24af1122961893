package main

import (
	"testing"

	"callseal/signaling/transport"
)

func TestParseURI(t *testing.T) {
	for _, row := range []struct {
		name, uri string
		want      nextHop
	}{
		{"sips", "sips:a.example.com", nextHop{transport.TLS, "a.example.com", 0}},
		{"sips with port", "sips:a.example.com:5071", nextHop{transport.TLS, "a.example.com", 5071}},
		{"sips over tcp is TLS", "sips:a;transport=tcp", nextHop{transport.TLS, "a", 0}},
		{"sips with tls", "SIPS:a;Transport=TLS", nextHop{transport.TLS, "a", 0}},
		{"sip is udp", "sip:a", nextHop{transport.UDP, "a", 0}},
		{"sip over udp", "sip:a:5070;transport=udp", nextHop{transport.UDP, "a", 5070}},
		{"sip over tcp", "sip:a;transport=tcp", nextHop{transport.TCP, "a", 0}},
		{"sip over tls", "sip:a;transport=tls", nextHop{transport.TLS, "a", 0}},
		{"IPv4", "sip:10.0.0.9:5070", nextHop{transport.UDP, "10.0.0.9", 5070}},
		{"IPv6", "sips:[2001:db8::1]", nextHop{transport.TLS, "2001:db8::1", 0}},
		{"IPv6 with port", "sips:[2001:db8::1]:5071", nextHop{transport.TLS, "2001:db8::1", 5071}},
		{"underscore", "sips:pbx_1.example.com", nextHop{transport.TLS, "pbx_1.example.com", 0}},
		{"root dot", "sips:a.example.com.", nextHop{transport.TLS, "a.example.com.", 0}},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, f := parseURI(row.uri)
			if f != nil || got != row.want {
				t.Errorf("%+v, %v, want %+v", got, f, row.want)
			}
		})
	}
	for _, uri := range []string{"", "sip", "sips:a b", "sips:a..b", "sips:[::1", "sips:[a]x", "sip:1.2.3", "sips:a:x", "sips:a;transport=", "sip:a;transport=udp;lr"} {
		if got, f := parseURI(uri); f == nil {
			t.Errorf("%q is taken for %+v", uri, got)
		}
	}
}
