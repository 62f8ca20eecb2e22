Feature: Files of vaccinations
  A file is judged as a whole, then row by row. Its rows create, change and delete the same records as the API.

  Scenario: rows create records of all sorts of patients
    Given a HPV file of TPP with
      | id | patient  |
      | a  | Random   |
      | b  | SFlag    |
      | c  | NullNHS  |
      | d  | OldNHSNo |
    When the file is dropped
    Then the file is taken
    And every row is accepted
    And the file is noted as processed, with its counts
    And the rows are stored, created
    And the creations of its rows go out
    And MNS event will be triggered with correct data for all 'CREATE' events where NHS is not null

  Scenario: rows are refused one by one
    Given a FLU file of MAVIS with
      | id                                        | patient | DATE_AND_TIME     | SITE_CODE | ACTION_FLAG |
      | Fail-future-invalid_OccurrenceDateTime    | Random  | 20990101T10000000 | X99999    | NEW         |
      | Fail-site-empty_site_code                 | Random  | 20250901T10000000 |           | NEW         |
      | Fail-flag-invalid_action_flag             | Random  | 20250901T10000000 | X99999    | CREATE      |
      | good                                      | Random  | 20250901T10000000 | X99999    | new         |
    When the file is dropped
    Then the file is taken
    And every row is refused in both answers, as its identifier says
    And the file is noted as processed, with its counts

  Scenario: a file changes what the API created
    Given 'EMIS' sends
    And a MENACWY record of a Random patient is held
    And the record is changed by a file
    When the file is dropped
    Then the file is taken
    And every row is accepted
    And the rows are stored, updated
    And the changes of its rows go out

  Scenario: a file deletes what the API created
    Given 'EMIS' sends
    And a MENACWY record of a Random patient is held
    And the record is deleted by a file
    When the file is dropped
    Then the file is taken
    And every row is accepted
    When it is read
    Then the answer is 404
    And the answer refuses it: not_found

  Scenario: what came from the central database does not go back to it
    Given a FLU file of DPSFULL with
      | id | patient |
      | a  | Random  |
    When the file is dropped
    Then every row is accepted
    And the rows are stored, created
    And its rows do not go out

  Scenario: a file is taken once
    Given a 3IN1 file of EMIS with
      | id | patient |
      | a  | Random  |
    When the file is dropped
    Then the file is taken
    When the file is dropped again
    Then the file is refused
    And no rows are answered
    And the file is noted as 'Not processed - Duplicate' in 'EMIS_3IN1', with 'None'

  Scenario: a file without rows is in order
    Given a FLU file of TPP with
      | id | patient |
    And it has no rows
    When the file is dropped
    Then the file is taken
    And no rows are answered
    And the file is noted as 'Not processed - Empty file' in 'TPP_FLU', with 'None'

  Scenario: columns must be the format's
    Given a FLU file of TPP with
      | id | patient |
      | a  | Random  |
    And its column PERSON_DOB is called BIRTHDAY
    When the file is dropped
    Then the file is refused
    And no rows are answered
    And the file is noted as 'Failed' in 'TPP_FLU', with 'File headers are invalid.'

  Scenario: values must be parted as the format says
    Given a FLU file of TPP with
      | id | patient |
      | a  | Random  |
    And its values are parted by ,
    When the file is dropped
    Then the file is refused
    And the file is noted as 'Failed' in 'TPP_FLU', with 'File headers are invalid.'

  Scenario Outline: a name must say what is in the file
    Given a file of FLU that is called <name>
    When the file is dropped
    Then the file is refused
    And no rows are answered
    And the file is noted as 'Failed' in 'unknown_unknown', with 'Initial file validation failed: invalid file key'

    Examples:
      | name                         |
      | FLUE_Vaccinations_v5_YGJ.csv |
      | FLU_Vaccinations_v4_YGJ.csv  |
      | FLU_Vaccinations_v5_ZZZ9.csv |
      | FLU_Vaccinations_v5_YGJ.txt  |
