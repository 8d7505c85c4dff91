package focushq

import "net/http"

// words tell a person what happened and what to do.
type words struct {
	status      int
	title, text string
	again       string // of the link that tries again; "": none
}

// wordsOf returns the words of the problem called id.
func wordsOf(id string) words {
	switch id {
	case "access_denied":
		return words{http.StatusForbidden, "You are not signed in",
			"The sign-in was cancelled, or this account may not use Focus HQ. Nothing was shared with " +
				"us.", "Try again"}
	case "login_required":
		return words{http.StatusForbidden, "Please sign in",
			"The identity provider was asked to sign you in without a question, and you are not " +
				"signed in there at the moment.", "Sign in with your password"}
	case "interaction_required":
		return words{http.StatusForbidden, "There is a question for you",
			"The identity provider was asked to sign you in without a question, and it has one: a " +
				"code, or whether you agree.", "Go on and answer it"}
	case "temporarily_unavailable":
		return words{http.StatusServiceUnavailable, "The identity provider is busy",
			"It cannot sign anybody in right now. This usually passes within a minute.", "Try again"}
	case "unreachable":
		return words{http.StatusBadGateway, "The identity provider does not answer",
			"Focus HQ cannot reach it, so nobody can sign in. It may just be starting.", "Try again"}
	case "setup":
		return words{http.StatusBadGateway, "Focus HQ is not set up correctly",
			"The identity provider does not accept how Focus HQ asks. You cannot mend this; an " +
				"administrator has to look at it.", "Try again"}
	case "insufficient":
		return words{http.StatusForbidden, "A second factor is missing",
			"This page wants a sign-in with two factors, and yours had one. The page stays closed.",
			"Try again with a second factor"}
	case "ended":
		return words{http.StatusForbidden, "Your sign-in has ended",
			"The identity provider does not renew it any more: you signed out elsewhere, or your " +
				"account was changed.", "Sign in again"}
	}
	return ownWords(id)
}

// ownWords are for what Focus HQ itself found.
func ownWords(id string) words {
	switch id {
	case "state":
		return words{http.StatusBadRequest, "This is not your sign-in",
			"The answer does not belong to a sign-in that was started in this browser, or it was used " +
				"before. Nobody was signed in.", "Start a new sign-in"}
	case "expired":
		return words{http.StatusBadRequest, "The sign-in took too long",
			"It was started more than an hour ago, so we do not rely on it any more.", "Start a new sign-in"}
	case "code":
		return words{http.StatusBadRequest, "The sign-in is no longer valid",
			"The provider's answer was used before or came too late. This happens after going back, " +
				"or reloading the page.", "Start a new sign-in"}
	case "issuer":
		return words{http.StatusBadRequest, "The answer came from somewhere else",
			"Focus HQ asked one identity provider and another one answered. Nobody was signed in.", "Start a new sign-in"}
	case "token":
		return words{http.StatusBadGateway, "The sign-in could not be verified",
			"What the identity provider sent about you did not pass our checks. Nobody was signed in.", "Start a new sign-in"}
	case "signed_out_here":
		return words{http.StatusBadGateway, "You are signed out of Focus HQ only",
			"The identity provider does not answer, so your sign-in there goes on. Close the browser " +
				"on a shared computer.", ""}
	case "cross_origin":
		return words{http.StatusForbidden, "That came from another site",
			"A form of another website was sent to Focus HQ. Nothing was changed.", ""}
	case "not_found":
		return words{http.StatusNotFound, "There is no such page",
			"The address may be mistyped, or the page has moved.", ""}
	}
	return words{http.StatusBadGateway, "The sign-in did not work",
		"The identity provider answered with an error that Focus HQ does not know.", "Try again"}
}
