package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows says which rooms of ours a room may import. A room is the first
// element of a package's path; what is missing here may import nothing of
// ours.
var arrows = map[string][]string{
	"cmd":       {"signaling", "media", "sdp", "bench", "cmd"},
	"signaling": {"signaling", "media", "sdp"},
	"media":     {"media"},
	"sdp":       {},
	"bench":     {"bench"}, // nothing else of ours: it must not share our bugs
	"e2e":       {"e2e"},
}

// sip must not be known where media and SDP are made.
const sipModule = "github.com/emiago/sipgo"

// Limits of size; the design says more only with a reason, and there is none
// yet.
const (
	maxFileLines     = 600
	maxFunctionLines = 100
)

type source struct {
	path string // relative to the module
	file *ast.File
	set  *token.FileSet
}

func (s source) room() string { return strings.Split(filepath.ToSlash(s.path), "/")[0] }
func (s source) test() bool   { return strings.HasSuffix(s.path, "_test.go") }

// sources parses every Go file of the module.
func sources(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	var out []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		out = append(out, source{rel, file, set})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 20 {
		t.Fatalf("only %d files found: the walk is broken", len(out))
	}
	return out
}

func imports(s source) []string {
	var out []string
	for _, i := range s.file.Imports {
		path, _ := strconv.Unquote(i.Path.Value)
		out = append(out, path)
	}
	return out
}

func TestArrowsBetweenTheRooms(t *testing.T) {
	for _, s := range sources(t) {
		allowed, known := arrows[s.room()]
		if !known {
			t.Errorf("%s: no such room in the house", s.path)
		}
		for _, path := range imports(s) {
			if rest, ours := strings.CutPrefix(path, "callseal/"); ours {
				if room := strings.Split(rest, "/")[0]; !slices.Contains(allowed, room) {
					t.Errorf("%s imports %s: %s may import only %v", s.path, path, s.room(), allowed)
				}
			}
			if strings.HasPrefix(path, sipModule) && (s.room() == "media" || s.room() == "sdp") {
				t.Errorf("%s imports %s: %s knows no SIP", s.path, path, s.room())
			}
			if strings.Contains(path, "prometheus/client_golang") && s.room() != "cmd" && filepath.Base(s.path) != "metrics.go" && !s.test() {
				t.Errorf("%s imports Prometheus, which belongs into metrics.go", s.path)
			}
		}
	}
}

// outside are the functions that reach out of the process.
var outside = []string{"Exit", "Getenv", "LookupEnv", "Environ", "Open", "OpenFile", "ReadFile", "WriteFile", "Create", "Args"}

func TestOnlyCmdReachesOutOfTheProcess(t *testing.T) {
	for _, s := range sources(t) {
		if s.room() == "cmd" || s.room() == "e2e" || s.test() {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "os" && slices.Contains(outside, sel.Sel.Name) {
				t.Errorf("%s: os.%s belongs into cmd", s.set.Position(n.Pos()), sel.Sel.Name)
			}
			return true
		})
	}
}

func TestNothingOutgrowsItsSize(t *testing.T) {
	for _, s := range sources(t) {
		if lines := s.set.Position(s.file.End()).Line; lines > maxFileLines {
			t.Errorf("%s has %d lines, more than %d", s.path, lines, maxFileLines)
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := s.set.Position(f.End()).Line - s.set.Position(f.Pos()).Line; n > maxFunctionLines {
				t.Errorf("%s: %s has %d lines, more than %d", s.path, f.Name.Name, n, maxFunctionLines)
			}
		}
	}
}

var (
	namedTest = regexp.MustCompile(`\bTest[A-Z][A-Za-z0-9]*\b`)
	namedFile = regexp.MustCompile("`([a-z0-9_/]+\\.go)`")
)

// TestTheTourNamesWhatExists: the tests and the files that the pages for
// newcomers name are there.
func TestTheTourNamesWhatExists(t *testing.T) {
	tests, files := map[string]bool{}, map[string]bool{}
	for _, s := range sources(t) {
		files[filepath.ToSlash(s.path)], files[filepath.Base(s.path)] = true, true
		if parts := strings.Split(filepath.ToSlash(s.path), "/"); len(parts) > 1 {
			files[strings.Join(parts[len(parts)-2:], "/")] = true
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				tests[f.Name.Name] = true
			}
		}
	}
	for _, page := range []string{"ARCHITECTURE.md", "README.md", filepath.Join("docs", "security.md")} {
		text, err := os.ReadFile(filepath.Join("..", "..", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range namedTest.FindAllString(string(text), -1) {
			if !tests[name] {
				t.Errorf("%s names %s, which is no test", page, name)
			}
		}
		for _, m := range namedFile.FindAllStringSubmatch(string(text), -1) {
			if !files[m[1]] {
				t.Errorf("%s names %s, which is no file", page, m[1])
			}
		}
	}
}

// A test does not sleep: time is synctest's, or a condition is waited for.
// Where real sockets leave no other way, the reason stands on the same line.
func TestNoTestSleepsWithoutAReason(t *testing.T) {
	for _, s := range sources(t) {
		if !s.test() || slices.Contains(imports(s), "testing/synctest") {
			continue
		}
		reasons := map[int]bool{}
		for _, group := range s.file.Comments {
			reasons[s.set.Position(group.Pos()).Line] = true
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "Sleep" || reasons[s.set.Position(n.Pos()).Line] {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" {
				t.Errorf("%s: a test sleeps on the real clock and does not say why", s.set.Position(n.Pos()))
			}
			return true
		})
	}
}
