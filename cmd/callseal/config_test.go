package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestFaults holds every fault that the loader knows: NAME.yml in
// testdata/faults.txtar makes NAME.out.
func TestFaults(t *testing.T) {
	const file = "testdata/faults.txtar"
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files := goodFiles(t)
	for i := 0; i+1 < len(archive.Files); i += 2 {
		in, out := archive.Files[i], &archive.Files[i+1]
		name, _ := strings.CutSuffix(in.Name, ".yml")
		if out.Name != name+".out" {
			t.Fatalf("%s is followed by %s", in.Name, out.Name)
		}
		t.Run(name, func(t *testing.T) {
			_, rep, err := parseConfig(bytes.NewReader(in.Data), files, now)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := rep.write(&got, "x.yml"); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(got.String(), "PRIVATE") {
				t.Errorf("shows a key:\n%s", got.String())
			}
			if *update {
				out.Data = got.Bytes()
			}
			if !bytes.Equal(got.Bytes(), out.Data) {
				t.Errorf("got:\n%swant:\n%s", got.Bytes(), out.Data)
			}
		})
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzParseConfig: whatever stands in a file, it is told, and nothing panics.
func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(smallConfig))
	f.Add([]byte("a: &x 1\nb: *x\nlisteners: [[{}], null, {? [a]: b}]\n"))
	f.Add([]byte("listeners:\n- <<: {name: 3}\n  media: !!int off\nroutes: {}\n---\n"))
	files := goodFiles(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, rep, err := parseConfig(bytes.NewReader(text), files, now)
		if err != nil {
			t.Fatal(err)
		}
		if rep.ok() && (len(cfg.Signaling.Listeners) == 0 || len(cfg.Signaling.Table.Routes) == 0) {
			t.Error("good, but it does nothing")
		}
	})
}
