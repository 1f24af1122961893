package web

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write docs/api.md anew")

// fakeHouse is an API with so many calls, trunks and bans.
type fakeHouse int

func (n fakeHouse) Calls(_ context.Context, p Page) (out []Call, next string) {
	for i := range int(n) {
		if id := fmt.Sprintf("%04d", i); id > p.After {
			if len(out) == p.Most {
				return out, out[p.Most-1].ID
			}
			out = append(out, Call{ID: id, Since: time.Unix(0, 0).UTC()})
		}
	}
	return out, ""
}

func (n fakeHouse) Phones() (out []Phone) {
	for i := range int(n) {
		out = append(out, Phone{AOR: fmt.Sprintf("sip:%04d@sbc.example", i), Dialer: fmt.Sprint("dialer", i%2), Sealed: i%3 == 0, UserAgent: fmt.Sprintf("Phone %d/1", i%5),
			Stage: []string{"reached", "waiting"}[i%2], Lines: []Line{{State: "registered"}, {State: []string{"registered", "waiting", "stopped"}[i%3]}}})
	}
	return out
}

func (n fakeHouse) Trunks() (out []Trunk) {
	for i := range int(n) {
		out = append(out, Trunk{Name: fmt.Sprint("t", i)})
	}
	return out
}

func (n fakeHouse) Bans() (out []Ban) {
	for i := range int(n) {
		out = append(out, Ban{Address: fmt.Sprintf("192.0.2.%03d", int(n)-1-i), Transports: "udp"})
	}
	return out
}

func (n fakeHouse) Configuration() Configuration { return Configuration{Version: "1"} }

// TestPaging walks through lists of all sizes in pages of all sizes.
func TestPaging(t *testing.T) {
	for _, size := range []int{0, 1, 9, 10, 11, 25} {
		s := startWith(t, Config{API: fakeHouse(size)})
		for _, list := range []string{"calls", "phones", "bans"} {
			seen, after := map[string]bool{}, ""
			for pages := 1; ; pages++ {
				status, body := get(t, "GET", "http://"+s.Addr().String()+Root+list+"?limit=10&after="+url.QueryEscape(after))
				if status != http.StatusOK {
					t.Fatal(status, body)
				}
				var got struct {
					Calls  []Call
					Phones []Phone
					Bans   []Ban
					Next   string
				}
				if err := json.Unmarshal([]byte(body), &got); err != nil {
					t.Fatal(err, body)
				}
				for _, c := range got.Calls {
					seen[c.ID] = true
				}
				for _, p := range got.Phones {
					seen[p.AOR] = true
				}
				for _, b := range got.Bans {
					seen[b.Address] = true
				}
				if n := len(got.Calls) + len(got.Phones) + len(got.Bans); n > 10 {
					t.Errorf("%s: %d on a page", list, n)
				}
				if after = got.Next; after == "" {
					if want := max(1, (size+9)/10); pages != want || len(seen) != size {
						t.Errorf("%s of %d: %d on %d pages, want %d pages", list, size, len(seen), pages, want)
					}
					break
				}
			}
		}
	}
}

func TestBadQueries(t *testing.T) {
	s := startWith(t, Config{API: fakeHouse(3)})
	for _, row := range []struct {
		path string
		want int
	}{
		{"calls", 200}, {"calls?limit=1000", 200}, {"calls?limit=0", 400}, {"calls?limit=1001", 400}, {"calls?limit=x", 400},
		{"calls?sealed=false", 400}, {"phones?sealed=false", 200}, {"phones?sealed=", 400}, {"phones?sealed=no", 400}, {"calls?limit=1&limit=2", 400}, {"calls?%zz", 400}, {"trunks?limit=1", 400}, {"trunks", 200},
		{"config", 200}, {"nothing", 404}, {"", 404},
	} {
		status, body := get(t, "GET", "http://"+s.Addr().String()+Root+row.path)
		if status != row.want {
			t.Errorf("%s: %d %s, want %d", row.path, status, body, row.want)
		}
		if status == 400 && !strings.Contains(body, `"error": "`) {
			t.Errorf("%s: %s", row.path, body)
		}
	}
	if status, _ := get(t, "POST", "http://"+s.Addr().String()+Root+"calls"); status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", status)
	}
}

// Which phones are sealed, and which are not.
func TestPhones(t *testing.T) {
	s := startWith(t, Config{API: fakeHouse(30)})
	for _, row := range []struct {
		query string
		want  int
	}{
		{"", 30}, {"?sealed=true", 10}, {"?sealed=false", 20}, {"?dialer=dialer1", 15}, {"?dialer=", 0}, {"?user_agent=Phone+3", 6},
		{"?user_agent=hone", 0}, {"?sealed=true&dialer=dialer0&user_agent=Phone", 5}, {"?sealed=false&limit=7", 7},
		{"?rollout=waiting", 15}, {"?rollout=held", 0}, {"?line=registered", 30}, {"?line=stopped", 10}, {"?line=waiting&rollout=reached", 5},
	} {
		var got Phones
		_, body := get(t, "GET", "http://"+s.Addr().String()+Root+"phones"+row.query)
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err, body)
		}
		if len(got.Phones) != row.want || (got.Next != "") != strings.Contains(row.query, "limit") {
			t.Errorf("%s: %d phones, next %q", row.query, len(got.Phones), got.Next)
		}
		if want := (Agent{"Phone 0/1", 2, 4}); len(got.Agents) != 5 || got.Agents[0] != want {
			t.Errorf("%s: agents %+v", row.query, got.Agents)
		}
	}
}

// A list that is empty is [], not null.
func TestEmptyLists(t *testing.T) {
	s := startWith(t, Config{API: fakeHouse(0)})
	for _, path := range []string{"calls", "phones", "trunks", "bans"} {
		if _, body := get(t, "GET", "http://"+s.Addr().String()+Root+path); strings.Contains(body, "null") {
			t.Errorf("%s: %s", path, body)
		}
	}
}

const apiIntro = `# The API

JSON over HTTP at ` + "`admin.listen`" + `, beside ` + "`/metrics`" + `. It only reads. Names are an interface: they change only with a line in the
changelog; new ones may come. ` + "`TestAPIPage`" + ` holds this page and the program together.

It shows who calls by the names of the configuration and the extensions of phones, never a customer's number, a caller code, a Call-ID,
a key or a password. Times are UTC (RFC 3339). With ` + "`admin.token_file`" + ` it asks for ` + "`Authorization: Bearer WORD`" + `; a wrong one is told 401. What is
wrong with a request is told as ` + "`{\"error\": \"...\"}`" + ` with 400.

Lists come in pages: ` + "`limit=`" + ` (100 unless told otherwise, 1000 at most) and ` + "`after=`" + `, which is the ` + "`next`" + ` of the page before.

    curl -s localhost:9090/api/v1/calls | jq '.calls[] | select(.sealed | not) | [.id, .a.name, .b.name]'
    curl -s 'localhost:9090/api/v1/phones?sealed=false' | jq -r '.phones[] | [.extension, .address, .user_agent] | @tsv'

`

// TestAPIPage: docs/api.md has every page and every field, and none besides.
func TestAPIPage(t *testing.T) {
	var b strings.Builder
	b.WriteString(apiIntro)
	for _, r := range resources {
		fmt.Fprintf(&b, "## GET %s%s\n\n%s", Root, r.name, r.what)
		if len(r.params) > 0 {
			fmt.Fprintf(&b, " Parameters: `%s`.", strings.Join(r.params, "`, `"))
		}
		b.WriteString("\n\n| field | type | meaning |\n|---|---|---|\n")
		fields(t, &b, reflect.TypeOf(r.answer), "")
		b.WriteString("\n")
	}
	want := strings.TrimRight(b.String(), "\n") + "\n"
	page := filepath.Join("..", "..", "..", "docs", "api.md")
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is out of date: go test ./cmd/callseal/web -run TestAPIPage -update", page)
	}
}

func fields(t *testing.T, b *strings.Builder, of reflect.Type, place string) {
	for i := range of.NumField() {
		f := of.Field(i)
		name, what := f.Tag.Get("json"), f.Tag.Get("doc")
		if name == "" || what == "" || strings.Contains(name, ",") {
			t.Errorf("%s.%s: json %q, doc %q", of.Name(), f.Name, name, what)
		}
		at, inner, kind := place+name, f.Type, ""
		for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
			if inner.Kind() == reflect.Slice {
				at, kind = at+"[]", kind+"list of "
			}
			inner = inner.Elem()
		}
		kind += typeName(inner)
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", at, kind, what)
		if inner.Kind() == reflect.Struct && inner != reflect.TypeFor[time.Time]() {
			fields(t, b, inner, at+".")
		}
	}
}

func typeName(of reflect.Type) string {
	switch {
	case of == reflect.TypeFor[time.Time]():
		return "time"
	case of.Kind() == reflect.Struct:
		return "object"
	case of.Kind() == reflect.String:
		return "text"
	case of.Kind() == reflect.Bool:
		return "true or false"
	}
	return "number"
}
