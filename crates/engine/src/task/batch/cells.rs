//! Which column feeds which input, decided once from the table's header.
//! Pure; does not read tables and does not check values.

use onstage_core::{batch::BatchSpec, schema::ModelSchema};
use serde_json::{Map, Value};

/// Columns named in a message at most.
const NAMED_COLUMNS_MAX: usize = 30;

/// Input name and the column that feeds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cells(Vec<(String, String)>);

impl Cells {
    /// Errors are for the person who brought the table. A table without a fixed header (JSON lines) is judged row by row.
    pub(crate) fn new(
        schema: &ModelSchema,
        spec: &BatchSpec,
        columns: &[String],
        header_is_fixed: bool,
    ) -> Result<Self, String> {
        let fields = schema.fields();
        if let Some(unknown) = spec
            .map
            .keys()
            .find(|name| fields.iter().all(|(field, _)| field != name))
        {
            return Err(format!("the model has no input `{unknown}`"));
        }
        let cells: Vec<(String, String)> = fields
            .iter()
            .map(|(field, _)| {
                let column = spec.map.get(*field).map_or(*field, String::as_str);
                ((*field).to_owned(), column.to_owned())
            })
            .collect();
        if header_is_fixed {
            check(schema, spec, columns, &cells)?;
        }
        Ok(Self(cells))
    }

    /// The row's cells by input name.
    pub(crate) fn of(&self, row: &Map<String, Value>) -> Vec<(String, Value)> {
        self.0
            .iter()
            .filter_map(|(field, column)| Some((field.clone(), row.get(column)?.clone())))
            .collect()
    }
}

fn check(
    schema: &ModelSchema,
    spec: &BatchSpec,
    columns: &[String],
    cells: &[(String, String)],
) -> Result<(), String> {
    let has = |column: &str| columns.iter().any(|name| name == column);
    let absent = |column: &str, what: &str| {
        let shown: Vec<&str> = columns
            .iter()
            .take(NAMED_COLUMNS_MAX)
            .map(String::as_str)
            .collect();
        format!(
            "the table has no column `{column}` {what}; its columns are: {}",
            shown.join(", ")
        )
    };
    if let Some((field, column)) = spec.map.iter().find(|(_, column)| !has(column)) {
        return Err(absent(column, &format!("for the input `{field}`")));
    }
    let required = schema
        .input()
        .and_then(|input| input.get("required")?.as_array());
    for field in required.into_iter().flatten().filter_map(Value::as_str) {
        if let Some((_, column)) = cells
            .iter()
            .find(|(name, column)| name == field && !has(column))
        {
            return Err(absent(column, &format!("for the required input `{field}`")));
        }
    }
    if !cells.is_empty() && !cells.iter().any(|(_, column)| has(column)) {
        return Err(absent(
            &cells[0].1,
            "nor one for any other input of the model",
        ));
    }
    match &spec.label {
        Some(label) if !has(label) => Err(absent(label, "to compare with")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onstage_core::{batch::TableFormat, value::BlobRef};
    use serde_json::json;

    fn schema() -> ModelSchema {
        serde_json::from_value(json!({"components": {"schemas": {"Input": {
            "properties": {"age": {"x-order": 0}, "zone": {"x-order": 1}}, "required": ["age"],
        }}}}))
        .unwrap()
    }

    fn spec(map: &[(&str, &str)], label: Option<&str>) -> BatchSpec {
        BatchSpec {
            table: BlobRef {
                key: "k".into(),
                size_bytes: 0,
                sha256: String::new(),
            },
            table_name: "t.csv".into(),
            format: TableFormat::Csv,
            dataset: None,
            map: map
                .iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
                .collect(),
            label: label.map(str::to_owned),
            limit_rows: None,
            only_rows_of: None,
            files: None,
        }
    }

    fn new(spec: &BatchSpec, columns: &[&str]) -> Result<Cells, String> {
        let columns: Vec<String> = columns.iter().map(|&name| name.to_owned()).collect();
        Cells::new(&schema(), spec, &columns, true)
    }

    #[test]
    fn inputs_take_the_column_of_their_name_or_the_one_they_are_mapped_to() {
        let cells = new(
            &spec(&[("age", "years")], None),
            &["years", "zone", "other"],
        )
        .unwrap();
        let row = json!({"years": 3, "zone": "N", "other": 1, "age": 9});
        let found = cells.of(row.as_object().unwrap());
        assert_eq!(
            found,
            [
                ("age".to_owned(), json!(3)),
                ("zone".to_owned(), json!("N"))
            ]
        );
    }

    #[test]
    fn a_table_that_cannot_fit_is_refused_with_its_columns_named() {
        for (spec, columns, says) in [
            (
                spec(&[], None),
                vec!["zone"],
                "required input `age`; its columns are: zone",
            ),
            (
                spec(&[("age", "years")], None),
                vec!["age"],
                "no column `years`",
            ),
            (
                spec(&[("size", "age")], None),
                vec!["age"],
                "no input `size`",
            ),
            (
                spec(&[], Some("truth")),
                vec!["age"],
                "no column `truth` to compare with",
            ),
        ] {
            let error = new(&spec, &columns).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        assert!(new(&spec(&[], None), &["age"]).is_ok());
        assert!(Cells::new(&schema(), &spec(&[], None), &[], false).is_ok());
    }
}
