package header

import (
	"testing"

	"callseal/signaling/transport"
)

// What a VICIdial call costs here.
func BenchmarkCross(b *testing.B) {
	headers := call("Via: SIP/2.0/TLS 10.0.0.11:5061;branch=z9hG4bK1;rport", "Max-Forwards: 70", "Contact: <sip:7275551234@10.0.0.11:5061>",
		"Call-ID: x@10.0.0.11", "CSeq: 102 INVITE", "User-Agent: Asterisk PBX 16.28", "Date: Thu, 26 Nov 2026 07:00:00 GMT",
		"Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, MESSAGE", "Supported: replaces, timer",
		"X-CIDNAME: ACME", "X-campaignid: TEST", "Content-Type: application/sdp",
		`P-Asserted-Identity: "V1234567890123456789" <sip:7275551234@10.0.0.11>`).Headers()
	way := Way{From: transport.Dialer, To: transport.Carrier, Host: "192.0.2.9"}
	b.ReportAllocs()
	for b.Loop() {
		if got := way.Cross(Setup, headers); len(got) != 2 {
			b.Fatal(got)
		}
	}
}
