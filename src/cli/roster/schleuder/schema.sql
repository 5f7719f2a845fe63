-- The tables that Schleuder's migrations leave behind in SQLite, without those that only its web interface has.
CREATE TABLE "lists" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "created_at" datetime, "updated_at" datetime,
    "email" varchar(255), "fingerprint" varchar(255), "log_level" varchar(255) DEFAULT 'warn',
    "subject_prefix" varchar(255) DEFAULT '', "subject_prefix_in" varchar(255) DEFAULT '',
    "subject_prefix_out" varchar(255) DEFAULT '', "openpgp_header_preference" varchar(255) DEFAULT 'signencrypt',
    "public_footer" text DEFAULT '', "headers_to_meta" text DEFAULT '["from", "to", "cc", "date", "sig", "enc"]',
    "bounces_drop_on_headers" text DEFAULT '{"x-spam-flag":"yes"}', "keywords_admin_notify" text DEFAULT '["add-key"]',
    "send_encrypted_only" boolean DEFAULT 1, "receive_encrypted_only" boolean DEFAULT 0,
    "receive_signed_only" boolean DEFAULT 0, "receive_authenticated_only" boolean DEFAULT 0,
    "receive_from_subscribed_emailaddresses_only" boolean DEFAULT 0, "receive_admin_only" boolean DEFAULT 0,
    "keep_msgid" boolean DEFAULT 1, "bounces_drop_all" boolean DEFAULT 0, "bounces_notify_admins" boolean DEFAULT 1,
    "include_list_headers" boolean DEFAULT 1, "include_openpgp_header" boolean DEFAULT 1,
    "max_message_size_kb" integer DEFAULT 10240, "language" varchar(255) DEFAULT 'en',
    "forward_all_incoming_to_admins" boolean DEFAULT 0, "logfiles_to_keep" integer DEFAULT 2,
    "internal_footer" text DEFAULT '');
CREATE TABLE "subscriptions" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "list_id" integer,
    "email" varchar(255), "fingerprint" varchar(255), "admin" boolean DEFAULT 0, "delivery_enabled" boolean DEFAULT 1,
    "created_at" datetime, "updated_at" datetime);
CREATE UNIQUE INDEX "index_subscriptions_on_email_and_list_id" ON "subscriptions" ("email", "list_id");
CREATE INDEX "index_subscriptions_on_list_id" ON "subscriptions" ("list_id");
