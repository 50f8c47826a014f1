"""Compiled behaviour of users: watching, acting, answering, coming back."""
