use safe_tool::prelude::*;

#[derive(ToolError)]
enum LabError {
    #[tool_error(unavailable, "closed", effect = none, stored)]
    Closed,
    #[tool_error(rejected, "refused, perhaps too late", effect = unknown, stored)]
    Late,
    #[tool_error(rejected, "refused", stored)]
    Refused,
}

fn main() {}
