-- The application, which may not migrate where its owner has a URL of its own, sees whether everything has been applied.
grant select on earshot.migrations to earshot_app;
