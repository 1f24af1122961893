package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

// What docs/routing.md shows can be pasted into a file as it stands.
func TestRoutingPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/routing.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 3 {
		t.Fatalf("%d examples", len(blocks))
	}
	routes, health, limits := blocks[0][1], blocks[1][1], blocks[2][1]
	_, health, _ = strings.Cut(health, "  - name: telco\n")
	text := `tls: {certificate: /etc/callseal/callseal.pem, key: /etc/callseal/callseal.key}
listeners:
  - {name: dialers, role: dialer, address: "tls://0.0.0.0:5071"}
  - {name: special, role: dialer, address: "tls://0.0.0.0:5072"}
  - {name: carriers, role: carrier, address: "tls://0.0.0.0:5081"}
media: {address: 10.0.0.9}
dialers:
  - {name: dialer1, uri: "sips:dialer1.example", sources: [10.0.0.11]}
  - {name: dialer2, uri: "sips:dialer2.example", sources: [10.0.0.12]}
carriers:
`
	for _, name := range strings.Fields("reserve uk cheap telco2 telco3 a b c") {
		text += "  - {name: " + name + ", uri: \"sips:" + name + ".example\"}\n"
	}
	text += "  - name: telco\n    uri: \"sips:telco.example\"\n    sources: [10.0.1.11]\n" + health + limits + routes
	cfg, rep, err := parseConfig(bytes.NewReader([]byte(text)), goodFiles(t), now)
	if err != nil {
		t.Fatal(err)
	}
	if !rep.ok() || len(rep.warnings) > 0 {
		var b strings.Builder
		_ = rep.write(&b, "routing.md")
		t.Fatal(b.String())
	}
	if telco := cfg.Signaling.Table.ByName("telco"); telco.Limits.PerSecond != 10 || telco.Health.UpAfter != 2 || len(cfg.Signaling.Table.Routes) != 8 {
		t.Errorf("%+v", telco)
	}
}
