"""The embedded Amazon SWF engine: single node, durable, long polls without threads (spec/swf-semantics)."""
