package main

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"callseal/cmd/callseal/web"
)

// fetch decodes a page of the API.
func fetch(t *testing.T, h *house, path string, into any) string {
	t.Helper()
	status, body := page(t, "http://"+h.admin.Addr().String()+web.Root+path)
	if status != http.StatusOK {
		t.Fatal(path, status, body)
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		t.Fatal(err, body)
	}
	return body
}

// TestAPIShowsCalls looks at calls that are up, of which one leg is in the
// clear: nothing of them is a number, a caller code or a key.
func TestAPIShowsCalls(t *testing.T) {
	d, err := demoCmd{Calls: 5, Duration: demoShortest, PlainCarrier: true}.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	over := make(chan struct{})
	go func() { // waited for below
		defer close(over)
		d.run.Do(d.ctx)
	}()
	var up *web.Call
	var body string
	for end := time.Now().Add(20 * time.Second); up == nil && time.Now().Before(end); {
		var got web.Calls
		body = fetch(t, d.server.house, "calls", &got)
		for i, c := range got.Calls {
			if c.State == "up" && c.B.Received.Packets > 20 {
				up = &got.Calls[i]
			}
		}
		time.Sleep(10 * time.Millisecond) // until the calls have talked for a while
	}
	if up == nil {
		t.Fatal("no call is seen to be up: ", body)
	}
	if up.A.Name != "dialer1" || up.A.Role != "dialer" || !up.A.Sealed || !strings.HasPrefix(up.A.Signaling, "TLS 1.") || up.A.SRTP != "AES_CM_128_HMAC_SHA1_80" {
		t.Errorf("leg A: %+v", up.A)
	}
	if up.B.Name != "telco" || up.B.Sealed || up.B.Signaling != "udp" || up.B.SRTP != "none" || up.Sealed {
		t.Errorf("leg B: %+v", up.B)
	}
	if up.Answered == nil || up.Answered.Before(up.Since) || up.A.Sent.Packets == 0 || up.B.Received.Bytes < 172*up.B.Received.Packets {
		t.Errorf("%+v", up)
	}
	if bad := regexp.MustCompile(`1555|[VMY]\d{9}|inline|z9hG4bK`).FindString(body); bad != "" {
		t.Errorf("%q is shown:\n%s", bad, body)
	}
	var trunks web.Trunks
	fetch(t, d.server.house, "trunks", &trunks)
	if len(trunks.Trunks) != 2 || !trunks.Trunks[0].Sealed || trunks.Trunks[0].Plain != nil || trunks.Trunks[1].Sealed ||
		trunks.Trunks[0].Load.Calls == 0 || !trunks.Trunks[1].Health.Up || trunks.Trunks[1].Plain == nil || trunks.Trunks[1].Plain.AcceptedBy != "demo" {
		t.Errorf("trunks %+v", trunks)
	}
	var bans web.Bans
	fetch(t, d.server.house, "bans", &bans)
	<-over
	http.DefaultClient.CloseIdleConnections()
}

// TestAPIShowsTheConfiguration before and after a reload that is refused, and
// one whose effect waits.
func TestAPIShowsTheConfiguration(t *testing.T) {
	l := live(t, false)
	var was, now web.Configuration
	fetch(t, l.house, "config", &was)
	if len(was.Version) != 64 || len(was.Errors)+len(was.Restart)+len(was.PlainHops) > 0 || len(was.Certificates) != 1 {
		t.Errorf("at first: %+v", was)
	}
	good := l.read(t)
	l.write(t, "callseal.yml", []byte(good+"nonsense: 1\n"))
	l.reloader.reload("test", time.Now())
	fetch(t, l.house, "config", &now)
	if now.Version != was.Version || !now.Loaded.Equal(was.Loaded) || !now.Tried.After(was.Tried) || len(now.Errors) != 1 ||
		!strings.Contains(now.Errors[0], "callseal.yml:12: nonsense: unknown key") {
		t.Errorf("refused: %+v", now)
	}
	l.write(t, "callseal.yml", []byte(strings.Replace(good, "media: {", "media: {workers: 3, ", 1)))
	l.reloader.reload("test", time.Now())
	fetch(t, l.house, "config", &now)
	if now.Version == was.Version || len(now.Errors) != 0 || len(now.Restart) != 1 || now.Restart[0] != "media.workers" {
		t.Errorf("waiting: %+v", now)
	}
}
