package console

import (
	"strings"

	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/templates"
)

// rooms returns the entries of the navigation that whoever has the desk may open.
func rooms(desk *admin.Desk, path string) []templates.Room {
	var all []templates.Room
	for _, room := range []struct {
		id, url string
		need    admin.Permission
	}{
		{"front", "/admin", admin.ReadPeople},
		{"people", "/admin/people", admin.ReadPeople},
		{"groups", "/admin/groups", admin.ReadPeople},
		{"clients", "/admin/clients", admin.ReadClients},
		{"policy", "/admin/policy", admin.ReadSettings},
		{"keys", "/admin/keys", admin.ReadSettings},
		{"branding", "/admin/branding", admin.ReadSettings},
		{"mail", "/admin/mail", admin.ReadSettings},
		{"audit", "/admin/audit", admin.ReadTrail},
	} {
		if desk.May(room.need) {
			here := path == room.url || room.url != "/admin" && strings.HasPrefix(path, room.url+"/") || room.id == "clients" && addsClient(path)
			all = append(all, templates.Room{ID: room.id, URL: room.url, Here: here})
		}
	}
	return all
}

// addsClient reports whether path is of a page on which a client is added: those are not below the clients, where ids stand.
func addsClient(path string) bool {
	return path == "/admin/new-client" || path == firstPath || strings.HasPrefix(path, firstPath+"/")
}
