package main

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// decoder fills raw types from a YAML document. Unlike the library's own
// decoder it goes on after an error, knows the line of every key, and takes a
// scalar as the text that stands in the file (so that 1.2 stays "1.2").
type decoder struct {
	report *report
	lines  map[string]int // place of a key -> its line
}

// decode reads text into the struct that into points to. What the document
// does not mention keeps its value.
func decode(text []byte, into any, r *report) *decoder {
	d := &decoder{report: r, lines: map[string]int{}}
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err)
		return d
	}
	if len(file.Docs) > 1 {
		d.fail("", fault{"holds more than one YAML document", "remove the --- lines"})
		return d
	}
	if len(file.Docs) == 1 && file.Docs[0].Body != nil {
		d.value(file.Docs[0].Body, "", reflect.ValueOf(into).Elem())
	}
	return d
}

func (d *decoder) syntax(err error) {
	p := problem{fault: fault{"not YAML", err.Error()}}
	if se := (*yaml.SyntaxError)(nil); errors.As(err, &se) {
		p.fix = se.GetMessage()
		if tk := se.GetToken(); tk != nil {
			p.line = tk.Position.Line
		}
	}
	d.report.errors = append(d.report.errors, p)
}

func (d *decoder) fail(place string, f fault) {
	d.report.errors = append(d.report.errors, problem{f, d.line(place), place})
}

func (d *decoder) warn(place string, f fault) {
	d.report.warnings = append(d.report.warnings, problem{f, d.line(place), place})
}

// line is the line of place, or of the nearest thing around it.
func (d *decoder) line(place string) int {
	for place != "" {
		if n, ok := d.lines[place]; ok {
			return n
		}
		place = place[:max(0, strings.LastIndexAny(place, ".["))]
	}
	return 0
}

func (d *decoder) value(node ast.Node, place string, into reflect.Value) {
	switch node.(type) {
	case *ast.NullNode:
		return
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		d.fail(place, fault{"anchors, aliases and tags are not supported", "write the value out"})
		return
	}
	switch into.Kind() {
	case reflect.Struct:
		d.mapping(node, place, into)
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		d.value(node, place, into.Elem())
	case reflect.Slice:
		d.list(node, place, into)
	case reflect.Map:
		d.texts(node, place, into)
	default:
		d.scalar(node, place, into)
	}
}

// shortened is a mapping of which one value may stand alone.
type shortened interface{ short(text string) }

func (d *decoder) mapping(node ast.Node, place string, into reflect.Value) {
	m, ok := node.(ast.MapNode)
	if short, can := into.Addr().Interface().(shortened); can && !ok {
		if text, one := scalarText(node); one {
			short.short(text)
			return
		}
	}
	if !ok {
		d.fail(place, fault{"must be a mapping", "write " + strings.Join(keysOf(into.Type()), ": ..., ") + ": ..."})
		return
	}
	seen := map[string]bool{}
	_, hides := into.Addr().Interface().(interface{ hidesKeys() })
	for it := m.MapRange(); it.Next(); {
		token := it.Key().GetToken()
		key, at := token.Value, join(place, token.Value)
		field, ok := fieldOf(into, key)
		if !ok && hides {
			d.fail(place, fault{"has a key that is not known here", "known are " + strings.Join(keysOf(into.Type()), ", ") + `; write a string that has a colon in quotes: "..."`})
			continue
		}
		if seen[key] {
			p := problem{fault{"is there twice", "keep one of them"}, token.Position.Line, at}
			d.report.errors = append(d.report.errors, p)
			continue
		}
		seen[key] = true
		d.lines[at] = token.Position.Line
		if !ok {
			d.fail(at, fault{"unknown key", "known here: " + strings.Join(keysOf(into.Type()), ", ")})
			continue
		}
		d.value(it.Value(), at, field)
	}
}

// texts reads a mapping whose keys are the administrator's own.
func (d *decoder) texts(node ast.Node, place string, into reflect.Value) {
	m, ok := node.(ast.MapNode)
	if !ok {
		d.fail(place, fault{"must be a mapping", "write {NAME: VALUE}"})
		return
	}
	into.Set(reflect.MakeMap(into.Type()))
	for it := m.MapRange(); it.Next(); {
		token := it.Key().GetToken()
		key, at := reflect.ValueOf(token.Value), join(place, token.Value)
		d.lines[at] = token.Position.Line
		if into.MapIndex(key).IsValid() {
			d.fail(at, fault{"is there twice", "keep one of them"})
			continue
		}
		value := reflect.New(into.Type().Elem()).Elem()
		d.value(it.Value(), at, value)
		into.SetMapIndex(key, value)
	}
}

func (d *decoder) list(node ast.Node, place string, into reflect.Value) {
	seq, ok := node.(*ast.SequenceNode)
	if !ok {
		d.fail(place, fault{"must be a list", "write [...], or one item a line after a dash"})
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(seq.Values), len(seq.Values)))
	for i, item := range seq.Values {
		at := fmt.Sprintf("%s[%d]", place, i)
		d.lines[at] = item.GetToken().Position.Line
		d.value(item, at, into.Index(i))
	}
}

func (d *decoder) scalar(node ast.Node, place string, into reflect.Value) {
	text, ok := scalarText(node)
	if !ok {
		d.fail(place, fault{"must be one value", "write it behind the colon, without brackets"})
		return
	}
	if into.Type() == reflect.TypeFor[time.Duration]() {
		v, err := time.ParseDuration(text)
		if err != nil {
			d.fail(place, fault{strconv.Quote(text) + " is no duration", `write a number with its unit, like "500ms", "30s", "5m" or "1h"`})
			return
		}
		into.SetInt(int64(v))
		return
	}
	switch into.Kind() {
	case reflect.String:
		into.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			d.fail(place, fault{strconv.Quote(text) + " is neither true nor false", "write true or false"})
			return
		}
		into.SetBool(text == "true")
	case reflect.Int:
		v, err := strconv.Atoi(text)
		if err != nil {
			d.fail(place, fault{strconv.Quote(text) + " is no whole number", "write digits only"})
			return
		}
		into.SetInt(int64(v))
	default:
		panic("raw types have no " + into.Kind().String()) // a test decodes every field
	}
}

func scalarText(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case ast.ScalarNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func join(place, key string) string {
	if place == "" {
		return key
	}
	return place + "." + key
}

func keysOf(t reflect.Type) []string {
	keys := make([]string, t.NumField())
	for i := range keys {
		keys[i] = t.Field(i).Tag.Get("yaml")
	}
	return keys
}

func fieldOf(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == key {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}
