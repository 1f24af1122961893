package dialog

import (
	"errors"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

func parse[T sip.Message](t *testing.T, text string) T {
	t.Helper()
	msg, err := sip.ParseMessage([]byte(strings.ReplaceAll(text, "\n", "\r\n")))
	if err != nil {
		t.Fatalf("parse: %v\n%s", err, text)
	}
	m, ok := msg.(T)
	if !ok {
		t.Fatalf("parsed %T", msg)
	}
	return m
}

const inviteIn = `INVITE sip:18005551212@127.0.0.2 SIP/2.0
Via: SIP/2.0/TLS 127.0.0.3:5061;branch=z9hG4bK1
Record-Route: <sip:p1.example.com;lr>
Record-Route: <sip:p2.example.com;lr>
From: "V0123456789" <sip:101@127.0.0.3>;tag=ft
To: <sip:18005551212@127.0.0.2>
Call-ID: c1
CSeq: 102 INVITE
Contact: <sip:101@127.0.0.3:5061;transport=tls>
Content-Length: 0

`

func response(t *testing.T, toTag, contact string, recordRoutes ...string) *sip.Response {
	t.Helper()
	rr := ""
	for _, r := range recordRoutes {
		rr += "Record-Route: " + r + "\n"
	}
	return parse[*sip.Response](t, "SIP/2.0 200 OK\nVia: SIP/2.0/TLS 127.0.0.3:5061;branch=z9hG4bK1\n"+rr+
		"From: \"V0123456789\" <sip:101@127.0.0.3>;tag=ft\nTo: <sip:18005551212@127.0.0.2>"+toTag+
		"\nCall-ID: c1\nCSeq: 102 INVITE\nContact: "+contact+"\nContent-Length: 0\n\n")
}

func routesOf(req *sip.Request) string {
	var out []string
	for _, h := range req.GetHeaders("route") {
		out = append(out, h.Value())
	}
	return strings.Join(out, " ")
}

func TestAnsweringSwapsThePartiesAndKeepsTheRouteOrder(t *testing.T) {
	d, err := Answering(parse[*sip.Request](t, inviteIn), "ours")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := d.ID(), (ID{CallID: "c1", Local: "ours", Remote: "ft"}); got != want {
		t.Errorf("ID %v, want %v", got, want)
	}
	bye := d.Request(sip.BYE)
	for _, c := range []struct{ what, got, want string }{
		{"request-URI", bye.Recipient.String(), "sip:101@127.0.0.3:5061;transport=tls"},
		{"From", bye.From().Value(), `<sip:18005551212@127.0.0.2>;tag=ours`},
		{"To", bye.To().Value(), `"V0123456789" <sip:101@127.0.0.3>;tag=ft`},
		{"CSeq", bye.CSeq().Value(), "1 BYE"},
		{"Route", routesOf(bye), "<sip:p1.example.com;lr> <sip:p2.example.com;lr>"},
		{"Max-Forwards", bye.MaxForwards().Value(), "70"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", c.what, c.got, c.want)
		}
	}
}

func TestTargetOfTheCaller(t *testing.T) {
	for _, c := range []struct{ name, contact, want string }{
		{"Contact", "Contact: <sip:101@127.0.0.3:5061;transport=tls>\n", "sip:101@127.0.0.3:5061;transport=tls"},
		{"headers stay out of the request-URI", "Contact: <sip:101@127.0.0.3?Route=x>\n", "sip:101@127.0.0.3"},
		{"RFC 2543: From", "", "sip:101@127.0.0.3"},
	} {
		text := strings.Replace(inviteIn, "Contact: <sip:101@127.0.0.3:5061;transport=tls>\n", c.contact, 1)
		d, err := Answering(parse[*sip.Request](t, text), "x")
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Request(sip.BYE).Recipient.String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	star := strings.Replace(inviteIn, "<sip:101@127.0.0.3:5061;transport=tls>", "*", 1)
	if _, err := Answering(parse[*sip.Request](t, star), "x"); !errors.Is(err, ErrNoContact) {
		t.Errorf("Contact *: %v, want ErrNoContact", err)
	}
}

func TestCallingRoutes(t *testing.T) {
	for _, c := range []struct {
		name         string
		recordRoutes []string
		uri, routes  string
		hop          string
	}{
		{"none", nil, "sip:b@127.0.0.9", "", "sip:b@127.0.0.9"},
		{"loose, reversed", []string{"<sip:p1;lr>", "<sip:p2;lr>"}, "sip:b@127.0.0.9", "<sip:p2;lr> <sip:p1;lr>", "sip:p2;lr"},
		{"strict", []string{"<sip:p1;lr>", "<sip:p2;method=INVITE>"}, "sip:p2", "<sip:p1;lr> <sip:b@127.0.0.9>", "sip:p2;method=INVITE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := Calling(parse[*sip.Request](t, inviteIn), response(t, ";tag=tt", "<sip:b@127.0.0.9>", c.recordRoutes...))
			if err != nil {
				t.Fatal(err)
			}
			bye := d.Request(sip.BYE)
			if got := bye.Recipient.String(); got != c.uri {
				t.Errorf("request-URI %s, want %s", got, c.uri)
			}
			if got := routesOf(bye); got != c.routes {
				t.Errorf("routes %q, want %q", got, c.routes)
			}
			hop := d.NextHop()
			if hop.String() != c.hop {
				t.Errorf("next hop %s, want %s", hop.String(), c.hop)
			}
		})
	}
}

func TestEachToTagIsADialog(t *testing.T) {
	invite := parse[*sip.Request](t, inviteIn)
	one, err1 := Calling(invite, response(t, ";tag=one", "<sip:b@127.0.0.9>"))
	two, err2 := Calling(invite, response(t, ";tag=two", "<sip:b@127.0.0.8>"))
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if one.ID() == two.ID() {
		t.Error("two forks share an ID")
	}
	untagged := response(t, "", "<sip:b@127.0.0.9>")
	if d, err := Calling(invite, untagged); err != nil || d.Ack(102).To().Params.Has("tag") {
		t.Errorf("2xx without tag: %v, %v", d, err)
	}
	untagged.StatusCode = 180
	if _, err := Calling(invite, untagged); !errors.Is(err, ErrNoTag) {
		t.Errorf("180 without tag: %v", err)
	}
}

func TestAckKeepsTheInviteNumber(t *testing.T) {
	d, err := Calling(parse[*sip.Request](t, inviteIn), response(t, ";tag=tt", "<sip:b@127.0.0.9>"))
	if err != nil {
		t.Fatal(err)
	}
	d.Request(sip.INFO)
	if got := d.Ack(102).CSeq().Value(); got != "102 ACK" {
		t.Errorf("ACK of the first INVITE: %s", got)
	}
	re := d.Request(sip.INVITE)
	if re.CSeq().SeqNo != 104 || d.Ack(re.CSeq().SeqNo).CSeq().SeqNo != 104 {
		t.Errorf("re-INVITE %d, its ACK %d, want 104", re.CSeq().SeqNo, d.Ack(re.CSeq().SeqNo).CSeq().SeqNo)
	}
}

func TestTargetRefresh(t *testing.T) {
	d, err := Calling(parse[*sip.Request](t, inviteIn), response(t, ";tag=tt", "<sip:b@127.0.0.9>"))
	if err != nil {
		t.Fatal(err)
	}
	d.Refresh(&sip.ContactHeader{Address: sip.Uri{Scheme: "sip", User: "b", Host: "127.0.0.10"}})
	d.Refresh(nil)
	d.Refresh(&sip.ContactHeader{Address: sip.Uri{Scheme: "tel"}})
	if got := d.Request(sip.BYE).Recipient.String(); got != "sip:b@127.0.0.10" {
		t.Errorf("after the refresh: %s", got)
	}
}

func TestAcceptOrdersRequests(t *testing.T) {
	d, err := Answering(parse[*sip.Request](t, inviteIn), "ours")
	if err != nil {
		t.Fatal(err)
	}
	in := func(method sip.RequestMethod, seq uint32) error {
		req := sip.NewRequest(method, sip.Uri{Host: "x"})
		req.AppendHeader(&sip.CSeqHeader{SeqNo: seq, MethodName: method})
		return d.Accept(req)
	}
	for _, c := range []struct {
		name   string
		method sip.RequestMethod
		seq    uint32
		want   error
	}{
		{"next", sip.INFO, 103, nil},
		{"gap", sip.INFO, 110, nil},
		{"ACK of the INVITE after INFO", sip.ACK, 102, nil},
		{"late", sip.BYE, 104, ErrOutOfOrder},
		{"same again", sip.BYE, 110, nil},
	} {
		if err := in(c.method, c.seq); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}
