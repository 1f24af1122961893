package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The most rows that are read of a table.
const (
	maxPhones  = 20_000
	maxAliases = 5_000
	maxServers = 1_000
	maxColumns = 2_000
)

// errColumns: not VICIdial's tables.
var errColumns = errors.New("no table phones with the columns extension and server_ip")

// phone is a row of the table phones.
type phone struct{ extension, server, login, secret string }

// alias is a row of the table phones_alias: one telephone that has several logins.
type alias struct {
	id     string
	logins []string
}

// tables is what a reading found.
type tables struct {
	phones   []phone
	aliases  []alias
	inactive map[string]bool   // servers that are switched off
	external map[string]string // their other addresses
	cut      int
}

// schema has the columns of each table: they vary by VICIdial's version.
type schema map[string][]string

// column gives a column, or in the place of one that this version does not have, a constant.
func (s schema) column(table, name, otherwise string) string {
	if slices.Contains(s[table], name) {
		return "COALESCE(`" + name + "`, '')"
	}
	return "'" + otherwise + "'"
}

// copy makes one. All is read in one transaction that cannot write.
func (d *Directory) copy(ctx context.Context, db *sql.DB, r *Reading) (found, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return found{}, err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	t, err := readTables(ctx, tx, r.Secrets)
	if err != nil {
		return found{}, err
	}
	return t.copy(maker{r.Secrets, r.Realm, d.cfg.Dialer}), nil
}

func readTables(ctx context.Context, tx *sql.Tx, secrets bool) (tables, error) {
	t := tables{inactive: map[string]bool{}, external: map[string]string{}}
	s, err := readSchema(ctx, tx)
	if err != nil {
		return t, err
	}
	if err := t.readPhones(ctx, tx, s, secrets); err != nil {
		return t, fmt.Errorf("table phones: %w", err)
	}
	if slices.Contains(s["phones_alias"], "alias_id") && slices.Contains(s["phones_alias"], "logins_list") {
		if err := t.readAliases(ctx, tx); err != nil {
			return t, fmt.Errorf("table phones_alias: %w", err)
		}
	}
	if slices.Contains(s["servers"], "server_ip") {
		if err := t.readServers(ctx, tx, s); err != nil {
			return t, fmt.Errorf("table servers: %w", err)
		}
	}
	return t, nil
}

func readSchema(ctx context.Context, tx *sql.Tx) (schema, error) {
	s := schema{}
	_, err := each(ctx, tx, maxColumns, 2, `SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS
		WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ('phones', 'phones_alias', 'servers')`, func(c []string) {
		table, column := strings.ToLower(c[0]), strings.ToLower(c[1])
		s[table] = append(s[table], column)
	})
	if err == nil && (!slices.Contains(s["phones"], "extension") || !slices.Contains(s["phones"], "server_ip")) {
		err = errColumns
	}
	return s, err
}

func (t *tables) readPhones(ctx context.Context, tx *sql.Tx, s schema, secrets bool) error {
	secret := "''"
	if secrets {
		secret = s.column("phones", "conf_secret", "")
	}
	login := s.column("phones", "login", "")
	if login == "''" {
		login = "extension"
	}
	query := "SELECT extension, server_ip, " + login + ", " + secret + " FROM phones WHERE " +
		s.column("phones", "active", "Y") + " = 'Y' AND UPPER(" + s.column("phones", "protocol", "SIP") + ") IN ('SIP', 'PJSIP') ORDER BY extension, server_ip"
	cut, err := each(ctx, tx, maxPhones, 4, query, func(c []string) {
		t.phones = append(t.phones, phone{c[0], c[1], c[2], c[3]})
	})
	t.cut += cut
	return err
}

func (t *tables) readAliases(ctx context.Context, tx *sql.Tx) error {
	cut, err := each(ctx, tx, maxAliases, 2, "SELECT alias_id, COALESCE(logins_list, '') FROM phones_alias ORDER BY alias_id", func(c []string) {
		a := alias{id: c[0]}
		for login := range strings.SplitSeq(c[1], ",") {
			if login = strings.TrimSpace(login); login != "" {
				a.logins = append(a.logins, login)
			}
		}
		t.aliases = append(t.aliases, a)
	})
	t.cut += cut
	return err
}

func (t *tables) readServers(ctx context.Context, tx *sql.Tx, s schema) error {
	query := "SELECT server_ip, " + s.column("servers", "active", "Y") + ", " + s.column("servers", "external_server_ip", "") + " FROM servers ORDER BY server_ip"
	cut, err := each(ctx, tx, maxServers, 3, query, func(c []string) {
		t.inactive[c[0]] = c[1] == "N"
		t.external[c[0]] = c[2]
	})
	t.cut += cut
	return err
}

// each gives every row of a query, of so many columns, to do, up to most; cut tells whether there was one more.
func each(ctx context.Context, tx *sql.Tx, most, columns int, query string, do func([]string)) (cut int, err error) {
	rows, err := tx.QueryContext(ctx, fmt.Sprintf("%s LIMIT %d", query, most+1))
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }() // Err tells all
	texts := make([]sql.NullString, columns)
	into, out := make([]any, columns), make([]string, columns)
	for i := range texts {
		into[i] = &texts[i]
	}
	for n := 0; rows.Next(); n++ {
		if n == most {
			return 1, nil
		}
		if err := rows.Scan(into...); err != nil {
			return 0, err
		}
		for i := range texts {
			out[i] = texts[i].String
		}
		do(out)
	}
	return 0, rows.Err()
}
