package main

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// marking are the codes by which VICIdial marks a lead: a disconnected number
// (404, 484, 485, 604), busy or not there (480, 486, 600, 603).
var marking = []string{"404", "480", "484", "485", "486", "600", "603", "604"}

// spoken are the functions that say one of them all the same, and why.
var spoken = map[string]string{
	"signaling/outside.go: wayOn":            "a dialer hears 503",
	"signaling/phones.go: var":               "of an agent's phone, which is no lead",
	"signaling/call/party.go: unreachedCode": "the same",
}

// TestNoCodeOfOursMarksANumber: outside of the functions in spoken such a code is
// only ever compared with what a remote has said.
func TestNoCodeOfOursMarksANumber(t *testing.T) {
	found := map[string]bool{}
	for _, s := range sources(t) {
		if s.room() != "signaling" || s.test() {
			continue
		}
		for _, d := range s.file.Decls {
			name := "var"
			if f, ok := d.(*ast.FuncDecl); ok {
				name = f.Name.Name
			}
			place := filepath.ToSlash(s.path) + ": " + name
			ast.Inspect(d, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.BinaryExpr: // a comparison
					return n.Op != token.EQL && n.Op != token.NEQ && n.Op != token.GEQ && n.Op != token.LSS
				case *ast.CaseClause: // its values are compared, its body is looked at
					for _, b := range n.Body {
						ast.Inspect(b, says(s, place, found, t))
					}
					return false
				}
				return says(s, place, found, t)(n)
			})
		}
	}
	for place := range spoken {
		if !found[place] {
			t.Errorf("%s says no such code any more", place)
		}
	}
}

// says reports a marking code, written as a number or by sipgo's name for it.
func says(s source, place string, found map[string]bool, t *testing.T) func(ast.Node) bool {
	return func(n ast.Node) bool {
		code := ""
		switch n := n.(type) {
		case *ast.BinaryExpr:
			return n.Op != token.EQL && n.Op != token.NEQ && n.Op != token.GEQ && n.Op != token.LSS
		case *ast.BasicLit:
			code = n.Value
		case *ast.SelectorExpr:
			code = map[string]string{
				"StatusNotFound": "404", "StatusTemporarilyUnavailable": "480", "StatusAddressIncomplete": "484", "StatusAmbiguous": "485",
				"StatusBusyHere": "486", "StatusGlobalBusyEverywhere": "600", "StatusGlobalDecline": "603", "StatusGlobalDoesNotExistAnywhere": "604",
			}[n.Sel.Name]
		}
		if !slices.Contains(marking, strings.TrimSpace(code)) {
			return true
		}
		found[place] = true
		if spoken[place] == "" {
			t.Errorf("%s: %s says %s: a dialer marks the lead for it; say 503, or give the reason in spoken", s.set.Position(n.Pos()), place, code)
		}
		return true
	}
}
